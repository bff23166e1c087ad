"""The header analyzer's page."""

import re
from pathlib import Path

from tests.unit.admin.web.browser import Browser, Console

HOSTILE = "<script>alert(1)</script>\u202e"
HEADERS = f"""\
Received: from mx.contoso.com (192.0.2.9) by mail.fabrikam.com with ESMTPS
 (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 3; Fri, 3 Sep 2021 02:42:31 +0200
Received: from press.contoso.com ([192.0.2.7]) by mx.contoso.com with ESMTP id 2; Fri, 3 Sep 2021 00:42:11 +0000
Subject: {HOSTILE}
From: ada@contoso.com
"""


def test_pasted_headers_become_hops_findings_and_a_chart(ada: Browser) -> None:
    page = ada.send("/analyzer", Headers=HEADERS, Offline="true")
    assert ada.status == 200, page
    assert page.index("press.contoso.com") < page.rindex("mail.fabrikam.com")
    assert "20 s" in page and "<svg" in page
    assert "TLS_AES_256_GCM_SHA384" in page


def test_what_a_message_says_is_never_markup(ada: Browser) -> None:
    page = ada.send("/analyzer", Headers=HEADERS, Offline="true")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_file_is_read_instead_of_what_was_pasted(ada: Browser, tmp_path: Path) -> None:
    ada.get("/analyzer")
    form = ada.form("/analyzer")
    answer = ada.client.post(
        "/analyzer",
        data={**form, "Offline": "true"},
        files={"file": ("mail.eml", HEADERS.replace("fabrikam", "tailspin").encode())},
        headers={"Accept": "text/html", "Origin": "http://testserver"},
    )
    assert answer.status_code == 200
    assert "mail.tailspin.com" in answer.text


def test_what_is_no_header_is_told_and_what_was_pasted_is_kept(ada: Browser) -> None:
    page = ada.send("/analyzer", Headers="Dear Bob,\nhow are you?\n", Offline="true")
    assert ada.status == 422
    assert "Dear Bob," in re.sub(r"\s+", " ", page)


def test_a_message_of_the_trace_is_named_by_its_id(ada: Browser) -> None:
    assert 'value="0123456789ABC"' in ada.get("/analyzer?id=0123456789ABC")


def test_who_may_not_analyze_is_told_which_role_may(site: Console) -> None:
    nobody = site.signed_in("ned")
    assert "needs the role" in nobody.get("/analyzer")
    assert nobody.status == 403
