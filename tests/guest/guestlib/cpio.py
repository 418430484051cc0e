"""A cpio archive in the "newc" format, as the kernel unpacks it for an initramfs.

Written here so that an initramfs with a device node can be made without privilege and without a staging folder.
"""

import stat


class Archive:
    """Collects entries; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._inode = 1

    def _add(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        encoded = name.lstrip("/").encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, device[0], device[1], len(encoded), 0)
        self._inode += 1
        self._data += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._pad()
        self._data += content
        self._pad()

    def _pad(self) -> None:
        self._data += bytes(-len(self._data) % 4)

    def directory(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self._add(name, stat.S_IFREG | mode, content)

    def symlink(self, name: str, target: str) -> None:
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self) -> bytes:
        self._inode = 0
        self._add("TRAILER!!!", 0)
        return bytes(self._data)
