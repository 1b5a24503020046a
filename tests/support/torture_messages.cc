#include "tests/support/torture_messages.h"

namespace support {

namespace {

using namespace std::string_literals;

const std::string kSdp =
    "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
    "m=audio 49217 RTP/AVP 0 12\nm=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n";

// What most messages of the RFC have in common, but for what they are about.
std::string Options(const std::string& uri, const std::string& id, const std::string& more = "") {
  return "OPTIONS " + uri +
         " SIP/2.0\nTo: sip:j.user@example.com\n"
         "From: sip:caller@example.org;tag=33242\nMax-Forwards: 3\n"
         "Call-ID: " +
         id +
         "\nCSeq: 8 OPTIONS\n"
         "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-" +
         id + "\n" + more + "l: 0\n\n";
}

// A Call-ID may hold an @, a branch may not.
std::string BranchOf(const std::string& id) {
  return "z9hG4bK" + id.substr(0, id.find('@'));
}

std::string Invite(const std::string& uri, const std::string& id, const std::string& more = "",
                   const std::string& contact = "Contact: <sip:caller@host5.example.net>\n") {
  return "INVITE " + uri +
         " SIP/2.0\nTo: sip:user@example.com\n"
         "From: sip:caller@example.net;tag=98asjd8\nMax-Forwards: 70\nCall-ID: " +
         id + "\nCSeq: 234234 INVITE\nVia: SIP/2.0/UDP host5.example.net;branch=" + BranchOf(id) +
         "\n" + contact + more + "Content-Type: application/sdp\nContent-Length: @LEN@\n\n" + kSdp;
}

std::string Register(const std::string& id, const std::string& more) {
  return "REGISTER sip:example.com SIP/2.0\nTo: sip:user@example.com\n"
         "From: sip:user@example.com;tag=998332\nMax-Forwards: 70\nCall-ID: " +
         id + "\nCSeq: 234234 REGISTER\nVia: SIP/2.0/UDP host5.example.net;branch=" + BranchOf(id) +
         "\n" + more + "L: 0\n\n";
}

std::string Response(const std::string& line, const std::string& more) {
  return line +
         "Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw\n"
         "To: <sip:user@example.com>\nFrom: <sip:other@example.net>;tag=2easdjfejw\n" +
         more + "Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\nContent-Length: 0\n\n";
}

std::vector<TortureMessage> Valid() {
  return {
      {"wsinv", "3.1.1.1", Torture::kServed, 0,
       "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n"
       "TO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n"
       "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n"
       "MaX-fOrWaRdS: 0068\nCall-ID: wsinv.ndaksdj@192.0.2.1\nContent-Length   : @LEN@\n"
       "cseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\ns :\n"
       "NewFangledHeader:   newfangled value\n continued newfangled value\n"
       "UnknownHeaderWithUnusualValue: ;;,,;;,;\nContent-Type: application/sdp\n"
       "Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n"
       "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n"
       "  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n"
       " z9hG4bK30239\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n"
       "      newvalue ;\n  secondparam ; q = 0.33\n\n" +
           kSdp},
      {"intmeth", "3.1.1.2", Torture::kAnswered, 501,
       "!interesting-Method0123456789_*+`.%indeed'~ "
       "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
       "(doesn't-it)@example.com SIP/2.0\n"
       "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n"
       "To: \"BEL:\\\x07 NUL:\\"s +
           "\x01"s +
           " DEL:\\\x7F\" "
           "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n"
           "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com> ;fromParam''~+*_!.-%=\""
           "\xD1\x80\xD0\xB0\xD0\xB1\";tag=_token~1'+`*%!-.\n"
           "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n"
           "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\nMax-Forwards: 255\n"
           "extensionHeader-!.%*+_`'~:\xEF\xBB\xBF\xE5\xA4\xA7\xE5\x81\x9C\xE9\x9B\xBB\n"
           "Content-Length: 0\n\n"},
      {"esc01", "3.1.1.3", Torture::kServed, 0,
       "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\nTo: sip:%75se%72@example.com\n"
       "From: <sip:I%20have%20spaces@example.net>;tag=938\nMax-Forwards: 87\n"
       "i: esc01.239409asdfakjkn23onasd0-3234\nCSeq: 234234 INVITE\n"
       "Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\nC: application/sdp\n"
       "Contact:\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n"
       "Content-Length: @LEN@\n\n" +
           kSdp},
      {"escnull", "3.1.1.4", Torture::kAnswered, 405,
       Register("escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd",
                "Contact: <sip:%00@host5.example.com>\nContact: <sip:%00%00@host5.example.com>\n")},
      {"esc02", "3.1.1.5", Torture::kAnswered, 501,
       "RE%47IST%45R sip:registrar.example.com SIP/2.0\nTo: \"%Z%45\" <sip:resource@example.com>\n"
       "From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23\n"
       "Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf\n"
       "Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234\n"
       "CSeq: 29344 RE%47IST%45R\nMax-Forwards: 70\nContact: <sip:alias1@host1.example.com>\n"
       "C%6Fntact: <sip:alias2@host2.example.com>\nContact: <sip:alias3@host3.example.com>\n"
       "l: 0\n\n"},
      {"lwsdisp", "3.1.1.6", Torture::kServed, 0,
       "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\n"
       "From: caller<sip:caller@example.com>;tag=323\nMax-Forwards: 70\n"
       "Call-ID: lwsdisp.1234abcd@funky.example.com\nCSeq: 60 OPTIONS\n"
       "Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\nl: 0\n\n"},
  };
}

std::vector<TortureMessage> ValidToo() {
  return {
      {"longreq", "3.1.1.7", Torture::kServed, 0,
       Invite("sip:user@example.com", "longreq.one" + std::string(200, 'x'),
              "Unknown-" + std::string(200, 'L') + "-Name: unknown-" + std::string(500, 'l') +
                  "-value; unknown-" + std::string(300, 'p') + "-name = " + std::string(300, 'v') +
                  "\nVia: SIP/2.0/TCP sip33.example.com\n"
                  "v: SIP/2.0/TCP sip32.example.com\nV: SIP/2.0/TCP sip31.example.com\n"
                  "Via: SIP/2.0/TCP sip30.example.com\n")},
      {"dblreq", "3.1.1.8", Torture::kAnswered, 405,
       Register("dblreq.0ha0isndaksdj99sdfafnl3lk233412",
                "Contact: sip:j.user@host.example.com\n") +
           Invite("sip:joe@example.com", "second")},
      {"semiuri", "3.1.1.9", Torture::kServed, 0,
       Options("sip:user;par=u%40example.net@example.com", "semiuri.0ha0isndaksdj")},
      {"transports", "3.1.1.10", Torture::kServed, 0,
       Options("sip:user@example.com", "transports.kijh4akdnaqjkwendsasfdj",
               "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n"
               "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\n"
               "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\n"
               "Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\n")},
      {"mpart01", "3.1.1.11", Torture::kAnswered, 405,
       "MESSAGE sip:kumiko@example.org SIP/2.0\n"
       "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport\n"
       "Max-Forwards: 70\nRoute: <sip:127.0.0.1:5080>\nTo: <sip:kumiko@example.org>\n"
       "From: <sip:fluffy@example.com>;tag=2fb0dcc9\nCall-ID: 3d9485ad0c49859b@Zmx1ZmZ5\n"
       "CSeq: 1 MESSAGE\n"
       "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\nContent-Length: @LEN@\n\n"
       "--7a9cbec02ceef655\nContent-Type: text/plain\n\nHello\n--7a9cbec02ceef655\n"
       "Content-Type: application/octet-stream\n\n\x01\x80\xff\n--7a9cbec02ceef655--\n"},
      {"unreason", "3.1.1.12", Torture::kResponse, 200,
       "SIP/2.0 200 = 2**3 * 5**2 \xD0\xBD\xD0\xBE \xD1\x81\xD1\x82\xD0\xBE\n"
       "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
       "Call-ID: unreason.1234ksdfak3j2erwedfsASdf\nCSeq: 35 INVITE\n"
       "From: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\n"
       "Content-Length: @LEN@\nContent-Type: application/sdp\n"
       "Contact: <sip:user@host198.example.com>\n\n" +
           kSdp},
      {"noreason", "3.1.1.13", Torture::kResponse, 100,
       "SIP/2.0 100 \nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\n"
       "Call-ID: noreason.asndj203insdf99223ndf\nCSeq: 35 INVITE\n"
       "From: <sip:user@example.com>;tag=39ansfi3\nTo: <sip:user@example.edu>;tag=902jndnke3\n"
       "Content-Length: 0\nContact: <sip:user@host105.example.com>\n\n"},
  };
}

std::vector<TortureMessage> Invalid() {
  const std::string tail = "Content-Length: 0\n\n";
  return {
      // There is no way back: what cannot be read is its only Via.
      {"badinv01", "3.1.2.1", Torture::kDropped, 0,
       "INVITE sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\n"
       "From: sip:caller@example.net;tag=134161461246\nMax-Forwards: 7\n"
       "Call-ID: badinv01.0ha0isndaksdjasdf3234nas\nCSeq: 8 INVITE\n"
       "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\nContact: \"Joe\" <sip:joe@example.org>;;;;\n" +
           tail},
      {"clerr", "3.1.2.2", Torture::kAnswered, 400,
       "INVITE sip:user@example.com SIP/2.0\nMax-Forwards: 80\nTo: sip:j.user@example.com\n"
       "From: sip:caller@example.net;tag=93942939o2\nContact: <sip:caller@hungry.example.net>\n"
       "Call-ID: clerr.0ha0isndaksdjweiafasdk3\nCSeq: 8 INVITE\n"
       "Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bK-39234-23523\n"
       "Content-Type: application/sdp\nContent-Length: 9999\n\n" +
           kSdp},
      {"ncl", "3.1.2.3", Torture::kAnswered, 400,
       "INVITE sip:user@example.com SIP/2.0\nMax-Forwards: 254\nTo: sip:j.user@example.com\n"
       "From: sip:caller@example.net;tag=32394234\nCall-ID: ncl.0ha0isndaksdj2193423r542w35\n"
       "CSeq: 0 INVITE\nVia: SIP/2.0/UDP 192.0.2.53;branch=z9hG4bKkdjuw\n"
       "Contact: <sip:caller@example53.example.net>\nContent-Type: application/sdp\n"
       "Content-Length: -999\n\n" +
           kSdp},
      {"scalar02", "3.1.2.4", Torture::kAnswered, 400,
       "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342s\n"
       "To: <sip:user@example.com>\nFrom: <sip:user@example.com>;tag=239232jh3\n"
       "CSeq: 36893488147419103232 REGISTER\nCall-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32\n"
       "Max-Forwards: 300\nExpires: 1" +
           std::string(100, '0') +
           "\n"
           "Contact: <sip:user@host129.example.com>\n  ;expires=280297596632815\n" +
           tail},
      {"scalarlg", "3.1.2.5", Torture::kDropped, 0,
       Response("SIP/2.0 503 Service Unavailable\n",
                "CSeq: 9292394834772304023312 OPTIONS\nRetry-After: 949302838503028349304023988\n"
                "Warning: 1812 overture \"In Progress\"\n")},
      {"quotbal", "3.1.2.6", Torture::kAnswered, 400,
       "INVITE sip:user@example.com SIP/2.0\nTo: \"Mr. J. User <sip:j.user@example.com>\n"
       "From: sip:caller@example.net;tag=93334\nMax-Forwards: 10\n"
       "Call-ID: quotbal.aksdj\nContact: <sip:caller@host59.example.net>\nCSeq: 8 INVITE\n"
       "Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234\n"
       "Content-Type: application/sdp\nContent-Length: @LEN@\n\n" +
           kSdp},
  };
}

std::vector<TortureMessage> InvalidToo() {
  return {
      {"ltgtruri", "3.1.2.7", Torture::kAnswered, 400,
       Invite("<sip:user@example.com>", "ltgtruri.1@192.0.2.5")},
      {"lwsruri", "3.1.2.8", Torture::kAnswered, 400,
       Invite("sip:user@example.com; lr", "lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423")},
      {"lwsstart", "3.1.2.9", Torture::kAnswered, 400,
       "INVITE  sip:user@example.com  SIP/2.0\nMax-Forwards: 8\nTo: sip:user@example.com\n"
       "From: sip:caller@example.net;tag=8814\nCall-ID: lwsstart.dfknq234oi243099adsdfnawe3\n"
       "CSeq: 1893884 INVITE\nVia: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw3923\n"
       "Contact: <sip:caller@host1.example.net>\nContent-Type: application/sdp\n"
       "Content-Length: @LEN@\n\n" +
           kSdp},
      {"trws", "3.1.2.10", Torture::kAnswered, 400,
       "OPTIONS sip:remote-target@example.com SIP/2.0  \n"
       "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK299342093\n"
       "To: <sip:remote-target@example.com>\nFrom: <sip:local-resource@example.com>;tag=329429089\n"
       "Call-ID: trws.oicu34958239neffasdhr2345r\nAccept: application/sdp\nCSeq: 238923 OPTIONS\n"
       "Max-Forwards: 70\nContent-Length: 0\n\n"},
      {"escruri", "3.1.2.11", Torture::kAnswered, 400,
       Invite("sip:user@example.com?Route=%3Csip:example.com%3E", "escruri.23940-asdfhj-aje3br")},
      // Nobody here asks for the date, which may not be in EST.
      {"baddate", "3.1.2.12", Torture::kServed, 0,
       Invite("sip:user@example.com", "baddate.239423mnsadf3j23lj42--sedfnm234",
              "Date: Fri, 01 Jan 2010 16:00:00 EST\n")},
      // Wrong before it is not allowed.
      {"regbadct", "3.1.2.13", Torture::kAnswered, 400,
       Register("regbadct.k345asrl3fdbv@10.0.0.1",
                "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n")},
      {"badaspec", "3.1.2.14", Torture::kAnswered, 400,
       "OPTIONS sip:user@example.org SIP/2.0\n"
       "Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234\nMax-Forwards: 70\n"
       "From: \"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=433423\n"
       "To: \"Watson, Thomas\" < sip:t.watson@example.org >\n"
       "Call-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3\nAccept: application/sdp\n"
       "CSeq: 3923239 OPTIONS\nl: 0\n\n"},
      {"baddn", "3.1.2.15", Torture::kAnswered, 400,
       "OPTIONS sip:t.watson@example.org SIP/2.0\n"
       "Via:     SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw\nMax-Forwards:      70\n"
       "From:    Bell, Alexander <sip:a.g.bell@example.com>;tag=43\n"
       "To:      Watson, Thomas <sip:t.watson@example.org>\nCall-ID: baddn.31415@c.example.com\n"
       "Accept: application/sdp\nCSeq:    3923239 OPTIONS\nl: 0\n\n"},
      {"badvers", "3.1.2.16", Torture::kAnswered, 505,
       "OPTIONS sip:t.watson@example.org SIP/7.0\nVia:     SIP/7.0/UDP c.example.com;branch="
       "z9hG4bKkdjuw\nMax-Forwards:     70\nFrom:    A. Bell <sip:a.g.bell@example.com>;tag=qweoi\n"
       "To:      T. Watson <sip:t.watson@example.org>\nCall-ID: badvers.31417@c.example.com\n"
       "CSeq:    1 OPTIONS\nl: 0\n\n"},
      {"mismatch01", "3.1.2.17", Torture::kAnswered, 400,
       "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\n"
       "From: sip:caller@example.net;tag=34525\nMax-Forwards: 6\n"
       "Call-ID: mismatch01.dj0234sxdfl3\nCSeq: 8 INVITE\n"
       "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw\nl: 0\n\n"},
      {"mismatch02", "3.1.2.18", Torture::kAnswered, 400,
       "NEWMETHOD sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\n"
       "From: sip:caller@example.net;tag=34525\nMax-Forwards: 6\n"
       "Call-ID: mismatch02.dj0234sxdfl3\nCSeq: 8 INVITE\nContact: <sip:caller@host.example.net>\n"
       "Via: SIP/2.0/UDP host.example.net;branch=z9hG4bKkdjuw\nl: 0\n\n"},
      {"bigcode", "3.1.2.19", Torture::kDropped, 0,
       Response("SIP/2.0 4294967301 better not break the receiver\n", "CSeq: 353494 INVITE\n")},
  };
}

std::vector<TortureMessage> Semantics() {
  return {
      {"badbranch", "3.2.1", Torture::kServed, 0,
       "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\n"
       "From: sip:caller@example.org;tag=33242\nMax-Forwards: 3\n"
       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\nAccept: application/sdp\n"
       "Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n\nCSeq: 8 OPTIONS\nl: 0\n\n"},
      {"insuf", "3.3.1", Torture::kAnswered, 400,
       "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\n"
       "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nContent-Type: application/sdp\n"
       "l: @LEN@\n\n" +
           kSdp},
      {"unkscm", "3.3.2", Torture::kAnswered, 416,
       Options("nobodyKnowsThisScheme:totallyopaquecontent", "unkscm.nasdfasser0q239nwsdfasdkl34")},
      {"novelsc", "3.3.3", Torture::kAnswered, 416,
       Options("soap.beep://192.0.2.103:3002", "novelsc.asdfasser0q239nwsdfasdkl34")},
      {"unksm2", "3.3.4", Torture::kAnswered, 405,
       "REGISTER sip:example.com SIP/2.0\nTo: isbn:2983792873\n"
       "From: <http://www.example.com>;tag=3234233\nCall-ID: unksm2.daksdj@hyphenated-host\n"
       "CSeq: 234902 REGISTER\nMax-Forwards: 70\n"
       "Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw\n"
       "Contact: <name:John_Smith>\nl: 0\n\n"},
      {"bext01", "3.3.5", Torture::kAnswered, 420,
       Options("sip:user@example.com", "bext01.0ha0isndaksdj",
               "Require: nothingSupportsThis, nothingSupportsThisEither\n"
               "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis\n")},
  };
}

std::vector<TortureMessage> SemanticsToo() {
  return {
      {"invut", "3.3.6", Torture::kAnswered, 415,
       "INVITE sip:user@example.com SIP/2.0\nContact: <sip:caller@host5.example.net>\n"
       "To: sip:j.user@example.com\nFrom: sip:caller@example.net;tag=8392034\nMax-Forwards: 70\n"
       "Call-ID: invut.0ha0isndaksdjadsfij34n23d\nCSeq: 235448 INVITE\n"
       "Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw\n"
       "Content-Type: application/unknownformat\nContent-Length: @LEN@\n\n<audio>\n</audio>\n"},
      {"regaut01", "3.3.7", Torture::kAnswered, 405,
       Register("regaut01.0ha0isndaksdj",
                "Authorization: NoOneKnowsThisScheme opaque-data=here\n")},
      {"multi01", "3.3.8", Torture::kAnswered, 400,
       "INVITE sip:user@company.com SIP/2.0\nContact: <sip:caller@host25.example.net>\n"
       "Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\nMax-Forwards: 70\nCSeq: 5 INVITE\n"
       "Call-ID: multi01.98asdh@192.0.2.1\nCSeq: 59 INVITE\nCall-ID: multi01.98asdh@192.0.2.2\n"
       "From: sip:caller@example.com;tag=3413415\nTo: sip:user@example.com\n"
       "To: sip:other@example.net\nFrom: sip:caller@example.net;tag=2923420123\n"
       "Content-Type: application/sdp\nl: @LEN@\nContact: <sip:caller@host36.example.net>\n"
       "Max-Forwards: 5\n\n" +
           kSdp},
      {"mcl01", "3.3.9", Torture::kAnswered, 400,
       "OPTIONS sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP host5.example.net;branch="
       "z9hG4bK293423\nTo: sip:user@example.com\nFrom: sip:other@example.net;tag=3923942\n"
       "Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf\nCSeq: 15932 OPTIONS\nContent-Length: 13\n"
       "Max-Forwards: 60\nContent-Length: 5\nContent-Type: text/plain\n\nThere's no way to know\n"},
      {"bcast", "3.3.10", Torture::kResponse, 200,
       "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
       "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\n"
       "Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\nCSeq: 35 INVITE\n"
       "From: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\n"
       "Content-Length: @LEN@\nContent-Type: application/sdp\n"
       "Contact: <sip:user@host28.example.com>\n\n" +
           kSdp},
      // What ends here needs no hop more.
      {"zeromf", "3.3.11", Torture::kServed, 0,
       "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\n"
       "From: sip:caller@example.net;tag=3ghsd41\nCall-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas\n"
       "CSeq: 39234321 OPTIONS\nVia: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i\n"
       "Max-Forwards: 0\nContent-Length: 0\n\n"},
      {"cparam01", "3.3.12", Torture::kAnswered, 405,
       Register("cparam01.70710@saturn.example.com",
                "Contact: sip:+19725552222@gw1.example.net;unknownparam\n")},
      {"cparam02", "3.3.13", Torture::kAnswered, 405,
       Register("cparam02.70710@saturn.example.com",
                "Contact: <sip:+19725552222@gw1.example.net;unknownparam>\n")},
      {"regescrt", "3.3.14", Torture::kAnswered, 405,
       Register("regescrt.k345asrl3fdbv@192.0.2.1",
                "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>\n")},
      {"sdp01", "3.3.15", Torture::kServed, 0,
       Invite("sip:user@example.com", "sdp01.ndaksdj9342dasdd", "Accept: text/nobodyKnowsThis\n")},
      {"inv2543", "3.4.1", Torture::kAnswered, 400,  // its SDP comes without a Contact
       "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\n"
       "From: <sip:+13035551111@ift.client.example.net;user=phone>\n"
       "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\n"
       "To: sip:+16505552222@ss1.example.net;user=phone\n"
       "Call-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\n"
       "Content-Type: application/sdp\n\n" +
           kSdp},
  };
}

std::vector<TortureMessage> Ipv6() {
  const auto bye = [](const std::string& uri, const std::string& via,
                      const std::string& more = "") {
    return "OPTIONS " + uri +
           " SIP/2.0\nTo: sip:user@example.com\n"
           "From: sip:user@example.com;tag=81x2\nVia: " +
           via + "\n" + more +
           "Call-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\nCSeq: 98176 OPTIONS\n"
           "Content-Length: 0\n\n";
  };
  const std::string via = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";
  const auto invite = [&via](const std::string& sdp) {
    return "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\n"
           "From: sip:user@example.com;tag=81x2\nVia: " +
           via +
           "\nContact: \"Caller\" <sip:caller@[2001:db8::20]>\nMax-Forwards: 70\n"
           "Call-ID: SSG9559905523997077@hlau_4100\nCSeq: 8912 INVITE\n"
           "Content-Type: application/sdp\nContent-Length: @LEN@\n\n" +
           sdp;
  };
  return {
      {"ipv6-good", "5118 4.1", Torture::kServed, 0, bye("sip:[2001:db8::10]", via)},
      {"ipv6-bad", "5118 4.2", Torture::kAnswered, 400, bye("sip:2001:db8::10", via)},
      {"port-ambiguous", "5118 4.3", Torture::kServed, 0, bye("sip:[2001:db8::10:5070]", via)},
      {"port-unambiguous", "5118 4.4", Torture::kServed, 0, bye("sip:[2001:db8::10]:5070", via)},
      {"via-received-param-with-delim", "5118 4.5", Torture::kServed, 0,
       bye("sip:[2001:db8::10]",
           "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9"
           "hG4bKas3-111")},
      {"via-received-param-no-delim", "5118 4.5", Torture::kServed, 0,
       bye("sip:[2001:db8::10]",
           "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG"
           "4bKas3")},
      {"ipv6-in-sdp", "5118 4.6", Torture::kServed, 0,
       invite("v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\n"
              "s=Live video feed for today's meeting\nc=IN IP6 2001:db8::20\n"
              "t=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n"
              "m=video 6024 RTP/AVP 107\na=rtpmap:107 H263-1998/90000\n")},
      {"mult-ip-in-header", "5118 4.7", Torture::kServed, 0,
       bye("sip:user@host.example.net", "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
           "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n"
           "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n")},
      {"mult-ip-in-sdp", "5118 4.8", Torture::kServed, 0,
       invite("v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\n"
              "t=0 0\nm=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\n"
              "c=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n")},
      {"ipv4-mapped-ipv6", "5118 4.9", Torture::kServed, 0,
       bye("sip:user@example.com", "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
           "Via: SIP/2.0/UDP [::ffff:192.0.2.2]:5060;branch=z9hG4bKas3-111\n")},
      // The grammar of RFC 3261 makes the first of these, which is no address (RFC 5954); both must
      // be tolerated.
      {"ipv6-bug-abnf-3-colons", "5118 4.10", Torture::kServed, 0,
       bye("sip:user@[2001:db8:::192.0.2.1]", via)},
      {"ipv6-correct-abnf-2-colons", "5118 4.10", Torture::kServed, 0,
       bye("sip:user@[2001:db8::192.0.2.1]", via)},
  };
}

}  // namespace

const std::vector<TortureMessage>& TortureMessages() {
  static const std::vector<TortureMessage> kAll = [] {
    std::vector<TortureMessage> all;
    for (auto part :
         {Valid(), ValidToo(), Invalid(), InvalidToo(), Semantics(), SemanticsToo(), Ipv6()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAll;
}

std::string WireOf(const TortureMessage& message) {
  std::string wire;
  for (const char c : message.text) wire += c == '\n' ? "\r\n" : std::string(1, c);
  const size_t mark = wire.find("@LEN@");
  if (mark == std::string::npos) return wire;
  const size_t body = wire.find("\r\n\r\n") + 4;
  return wire.replace(mark, 5, std::to_string(wire.size() - body));
}

}  // namespace support
