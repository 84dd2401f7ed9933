"""Stands where pip looks for setuptools when it downloads a source package; see `build_meta`."""
