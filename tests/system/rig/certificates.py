"""The laboratory's certificates, made anew for each test."""

import os
import subprocess

from .tandem import ROOT

SCRIPT = os.path.join(ROOT, "tests/support/certificates.sh")


class Certificates:
    """`more`: FILE=NAMES of further ones, as the script has them."""

    def __init__(self, folder, more=()):
        self.folder = os.path.join(folder, "certificates")
        os.mkdir(self.folder)
        subprocess.run([SCRIPT, self.folder, *more], check=True)

    def __call__(self, name):
        return os.path.join(self.folder, name)
