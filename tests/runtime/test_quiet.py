import logging
import os

import pytest

from tdrec.runtime.quiet import quiet_logger, quiet_stderr


def test_what_cpp_code_writes_is_not_seen(capfd):
    os.write(2, b"before ")
    with quiet_stderr():
        os.write(2, b"of C++")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_exceptions_pass_and_the_screen_comes_back(capfd):
    with pytest.raises(ValueError, match="told"), quiet_stderr():
        raise ValueError("told")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


def test_no_descriptor_is_left_open():
    def open_files():
        return len(os.listdir("/dev/fd"))

    before = open_files()
    with quiet_stderr():
        pass
    assert open_files() == before


def test_a_logger_says_errors_alone_and_then_what_it_said_before(caplog):
    logger = logging.getLogger("of a library")
    logger.setLevel(logging.INFO)
    with pytest.raises(ValueError, match="told"), quiet_logger("of a library"):
        logger.warning("hidden")
        logger.error("shown")
        raise ValueError("told")
    logger.info("after")
    assert caplog.messages == ["shown", "after"]
