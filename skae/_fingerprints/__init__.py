"""What objects are made of: keys of programs, and digests that outlast a process."""

from skae._fingerprints.walk import digest, fingerprint

__all__ = ["digest", "fingerprint"]
