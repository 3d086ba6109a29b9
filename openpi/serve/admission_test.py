import logging

import pytest

from openpi.serve import admission


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_needs_no_key(address, caplog):
    admission.check_exposure(address, admits=False, encrypted=False, insecure=False)
    assert not caplog.records


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "fe80::1%eth0"])
def test_other_machines_need_a_key_or_a_clear_word(address, caplog):
    caplog.set_level(logging.WARNING)
    with pytest.raises(ValueError, match=r"--api_key_file=FILE.* or say --insecure") as raised:
        admission.check_exposure(address, admits=False, encrypted=True, insecure=False)
    assert "\n" not in str(raised.value)
    admission.check_exposure(address, admits=True, encrypted=True, insecure=False)
    assert not caplog.records
    admission.check_exposure(address, admits=True, encrypted=False, insecure=False)
    assert "in clear" in caplog.records[-1].getMessage()
    admission.check_exposure(address, admits=False, encrypted=False, insecure=True)
    assert "every machine" in caplog.records[-1].getMessage()


def test_what_is_not_asked_for_is_not_there():
    assert admission.keys(None) is None
    assert admission.encryption(None, None, None) is None


@pytest.mark.parametrize("files", [("c", None, None), (None, "k", None), (None, None, "a"), ("c", None, "a")])
def test_half_of_tls_is_refused(files):
    with pytest.raises(ValueError, match="TLS needs --tls_cert and --tls_key"):
        admission.encryption(*files)


def test_files_are_read(tmp_path):
    path = tmp_path / "keys"
    path.write_text("0123456789abcdef\n")
    assert admission.keys(str(path)).admit("Api-Key 0123456789abcdef")
    with pytest.raises(ValueError, match="there is no file .*none"):
        admission.encryption(str(tmp_path / "none"), str(path), None)
