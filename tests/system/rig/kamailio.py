"""Kamailio as the edge of a carrier: a proxy that stands in every dialog by Record-Route."""

import os

from .process import Program, cpu_seconds_of, wait_until

_CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
disable_tcp=no
{tls}
tcp_connection_lifetime={lifetime_s}
tcp_source_ipv4={address}
{listen}
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
{modules}
modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 5000)
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) {{ t_relay(); exit; }}
        sl_send_reply("404", "Not here");
        exit;
    }}
    t_check_trans();
    if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
{policy}
    if (is_method("INVITE")) record_route();
    if ($si == "{tandem}") {{ $du = "{inside}"; }} else {{ $du = "{outside}"; }}
    t_relay();
}}
"""

_TLS = """[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {certificate}
verify_certificate = no
require_certificate = no
[client:default]
method = TLSv1.2+
certificate = {client_certificate}
private_key = {client_certificate}
verify_certificate = yes
require_certificate = yes
ca_list = {trust}
"""


class Kamailio(Program):
    """`listen`: URIs without sip:, as tls:127.0.0.2:5061. What comes from `tandem` goes to
    `inside`, all else to `outside`; both are URIs. `policy`: lines of its script that a new
    request passes first."""

    def __init__(self, folder, listen, tandem, inside, outside, certificate=None,
                 client_certificate=None, trust=None, lifetime_s=120, policy="", modules="",
                 name="kamailio", prefix=(), shared_mb=32):
        tls = ""
        if certificate:
            tls_path = os.path.join(folder, name + ".tls")
            with open(tls_path, "w", encoding="utf-8") as out:
                out.write(_TLS.format(certificate=certificate, trust=trust,
                                      client_certificate=client_certificate))
            tls = "enable_tls=yes"
            modules += (f'\nloadmodule "tls.so"\nmodparam("tls", "config", "{tls_path}")'
                        f'\nmodparam("tls", "connection_timeout", {lifetime_s})')
        path = os.path.join(folder, name + ".cfg")
        with open(path, "w", encoding="utf-8") as out:
            out.write(_CONFIG.format(listen="\n".join(f"listen={each}" for each in listen),
                                     address=listen[0].split(":")[1],
                                     lifetime_s=lifetime_s, tandem=tandem, inside=inside,
                                     outside=outside, policy=policy, modules=modules, tls=tls))
        super().__init__(name, ["/usr/sbin/kamailio", "-f", path, "-DD", "-E", "-m",
                                str(shared_mb), "-M", "8", "-w", folder, "-Y", folder,
                                "-P", os.path.join(folder, name + ".pid")], folder, prefix)
        self._wait_bound(listen)

    def cpu_seconds(self):
        """Of all its processes."""
        return super().cpu_seconds() + sum(cpu_seconds_of(child) for child in self._children())

    def _children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="utf-8") as children:
            return children.read().split()

    def _wait_bound(self, listen):
        wanted = {("udp" if each.startswith("udp") else "tcp",
                   f":{int(each.rsplit(':', 1)[1]):04X}") for each in listen}

        def bound():
            self.expect_running()
            for table, port in wanted:
                with open(f"/proc/{self.pid}/net/{table}", encoding="utf-8") as lines:
                    if not any(line.split()[1].endswith(port) for line in list(lines)[1:]):
                        return False
            return True
        wait_until(bound, 10, lambda: f"sockets of {self.name}:\n{self.log()}")
