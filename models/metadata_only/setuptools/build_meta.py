"""Answers pip's questions about a source package without running the package's code.

`pip download` asks a source package's build system for its metadata, even when only the archive is wanted.
With setuptools that runs the package's own setup.py, and fetches setuptools first, unpinned. With this
folder on PYTHONPATH and build isolation off, pip asks here instead and gets the name and version that it
already knows from PKG-INFO. Nothing is ever built with it.
"""

import os


class MetadataOnly:
    """The two hooks of PEP 517 that pip calls during a download."""

    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        with open("PKG-INFO", encoding="utf-8") as file:
            fields = dict(line.strip().split(": ", 1) for line in file if line.startswith(("Name: ", "Version: ")))
        folder = f"{fields['Name']}-{fields['Version']}.dist-info"
        os.makedirs(os.path.join(metadata_directory, folder))
        with open(os.path.join(metadata_directory, folder, "METADATA"), "w", encoding="utf-8") as file:
            file.write("Metadata-Version: 2.1\nName: {Name}\nVersion: {Version}\n".format(**fields))
        return folder


# pip names the object `__legacy__` for a package without pyproject.toml.
__legacy__ = MetadataOnly()
get_requires_for_build_wheel = __legacy__.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = __legacy__.prepare_metadata_for_build_wheel
