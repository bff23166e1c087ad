"""Whether the files of a certificate are others."""

import os
from pathlib import Path

from staffetta.net.certificate_files import CertificateFiles


def test_each_way_to_renew_is_seen_once(tmp_path: Path) -> None:
    certificate, key = tmp_path / "live.pem", tmp_path / "key.pem"
    (tmp_path / "1.pem").write_text("one")
    (tmp_path / "2.pem").write_text("two")
    certificate.symlink_to(tmp_path / "1.pem")
    key.write_text("key")
    files = CertificateFiles(certificate, key)
    assert not files.have_changed()

    (tmp_path / "new").symlink_to(tmp_path / "2.pem")  # as certbot and Kubernetes do
    (tmp_path / "new").rename(certificate)
    assert [files.have_changed(), files.have_changed()] == [True, False]

    key.write_text("key of another length")  # in place
    assert [files.have_changed(), files.have_changed()] == [True, False]

    (tmp_path / "moved").write_text("key of another length")  # same size, and made to look as old
    os.utime(tmp_path / "moved", ns=(key.stat().st_atime_ns, key.stat().st_mtime_ns))
    (tmp_path / "moved").rename(key)
    assert [files.have_changed(), files.have_changed()] == [True, False]

    key.unlink()
    assert [files.have_changed(), files.have_changed()] == [True, False]
    key.write_text("back")
    assert [files.have_changed(), files.have_changed()] == [True, False]
