"""First look at the bytes of a data file: is there anything, and is it text as expected?"""

from __future__ import annotations

from tdrec.data.error import DataError

UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def checked_bytes(data: bytes, file: str) -> bytes:
    """Refuses an empty file and UTF-16 text; cuts off the mark some editors put before UTF-8.

    Args:
        data: Content of the file.
        file: Its name, for the message.

    Raises:
        DataError: If the file is empty or is UTF-16 text.
    """
    # Every second byte of UTF-16 text is zero as long as it is English; no text of an 8-bit
    # encoding has zeros.
    if data[:2] in _UTF16_MARKS or b"\0" in data[:1000]:
        raise DataError(
            f"{file} must be text with one byte for each plain letter. Received: what looks like "
            f"UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 {file}."
        )
    data = data.removeprefix(UTF8_MARK)
    if not data[:1000].strip() and not data.strip():
        raise DataError(f"{file} must have at least one row. Received: an empty file.")
    return data


def decoded(data: bytes, file: str, encoding: str) -> str:
    """Decodes text, or says where it is not of its encoding.

    Latin-1 can decode any bytes. So where it is asked for and the text is sound UTF-8, which real
    Latin-1 text with accents hardly ever is, someone has converted the file, and it is read as
    UTF-8.

    Args:
        data: Content of the file.
        file: Its name, for the message.
        encoding: "utf-8" or "latin-1".

    Raises:
        DataError: If UTF-8 was asked for and the text is something else.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            return data.decode(encoding)
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file} must be UTF-8 text. Received: byte 0x{data[error.start]:02x} in line {line}. "
            f"Take the original file, or convert it: iconv -f LATIN1 -t UTF-8 {file}."
        ) from error


def shortened(line: str) -> str:
    """A line as it may be quoted in a message, at most 80 characters of it."""
    line = line.rstrip("\r\n")
    return repr(line if len(line) <= 80 else line[:77] + "...")
