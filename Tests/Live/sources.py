"""What is sent and how it is checked: patterned bytes that need no memory, and digests."""

import ctypes
import ctypes.util
import hashlib
import random

PERIOD = 1_048_583  # a prime: no chunk size divides it, so a chunk out of place shows


class Pattern:
    """`size` bytes that repeat with a prime period, readable at any offset."""

    def __init__(self, size, seed=0):
        self.size = size
        block = random.Random(seed).randbytes(min(size, PERIOD))
        self.block = memoryview(block + block[: 1 << 20])

    def __len__(self):
        return self.size

    def read(self, offset, count):
        count = max(0, min(count, self.size - offset, 1 << 20))
        start = offset % PERIOD
        return self.block[start : start + count]

    def digest(self, algorithm="sha256", offset=0):
        digest = new_digest(algorithm)
        while offset < self.size:
            piece = self.read(offset, 1 << 20)
            digest.update(piece)
            offset += len(piece)
        return digest.name()


class Bytes:
    """The same interface over bytes in memory."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.size = len(data)

    def __len__(self):
        return self.size

    def read(self, offset, count):
        return self.data[offset : offset + count]


class SHA256:
    def __init__(self):
        self.state = hashlib.sha256()
        self.update = self.state.update

    def name(self):
        return "sha256:" + self.state.hexdigest()


class XXH3:
    """XXH3-128 of libxxhash, written in its canonical big-endian form."""

    class Hash(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

    library = None

    @classmethod
    def load(cls):
        if cls.library is None:
            library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
            library.XXH3_createState.restype = ctypes.c_void_p
            library.XXH3_128bits_reset.argtypes = [ctypes.c_void_p]
            library.XXH3_128bits_update.argtypes = [
                ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
            library.XXH3_128bits_digest.argtypes = [ctypes.c_void_p]
            library.XXH3_128bits_digest.restype = cls.Hash
            library.XXH3_freeState.argtypes = [ctypes.c_void_p]
            library.XXH128_canonicalFromHash.argtypes = [ctypes.c_char_p, cls.Hash]
            cls.library = library
        return cls.library

    def __init__(self):
        self.library = self.load()
        self.state = self.library.XXH3_createState()
        self.library.XXH3_128bits_reset(self.state)

    def update(self, data):
        data = bytes(data)
        self.library.XXH3_128bits_update(self.state, data, len(data))

    def name(self):
        canonical = ctypes.create_string_buffer(16)
        digest = self.library.XXH3_128bits_digest(self.state)
        self.library.XXH128_canonicalFromHash(canonical, digest)
        return "xxh3:" + canonical.raw.hex()

    def __del__(self):
        self.library.XXH3_freeState(self.state)


def new_digest(algorithm):
    return {"sha256": SHA256, "xxh3": XXH3}[algorithm]()


def digest_of(data, algorithm="sha256"):
    digest = new_digest(algorithm)
    digest.update(data)
    return digest.name()
