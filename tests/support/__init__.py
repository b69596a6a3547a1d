"""Building blocks that tests of every part share: real keys, real log, nothing patched."""
