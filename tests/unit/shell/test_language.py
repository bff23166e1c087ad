"""What the shell understands of PowerShell: a script, and what it shows."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffetta.shell.parse import parse
from staffetta.shell.source import Source
from staffetta.shell.trouble import ShellError
from tests.unit.shell.screen import Screen

SHOWN = [
    # texts
    ("'it''s'", "it's"),
    ('"a`tb"', "a\tb"),
    ("$x = 'Ada'; \"$x ${x}s $($x.Length)\"", "Ada Adas 3"),
    ('$x = 5; "`$x is $x, 100$"', "$x is 5, 100$"),
    ('"say ""hi"""', 'say "hi"'),
    ("@'\nas $it is\n'@", "as $it is"),
    ('$x = 1\n@"\none $x\ntwo $($x + 1)\n"@', "one 1\ntwo 2"),
    ("Write-Host “quoted” ‘by a page’", "quoted by a page"),
    ("$env:HOME", "/home/ada"),
    # numbers and operators
    ("1 + 2 * 3 - 4 / 2", "5"),
    ("(1 + 2) * 3; 7 % 3; -5 + 2; 10 / 4", "9\n1\n-3\n2.5"),
    ("0x1F; 1kb; 2MB; 1.5e3", "31\n1024\n2097152\n1500"),
    ("1 + '2'; '1' + 2", "3\n12"),
    ("'SMTP Relay - ' + (Get-Date -Format g)", "SMTP Relay - 11/24/2026 2:05 PM"),
    ("@(1, 2) + 3; 'ab' * 3", "1\n2\n3\nababab"),
    ("'{0:N2} {1,5}|{2:yyyy}' -f 1234.5, 'x', (Get-Date)", "1,234.50     x|2026"),
    ("'a' -eq 'A'; 'a' -ceq 'A'; 5 -eq '5'; $null -eq $null", "True\nFalse\nTrue\nTrue"),
    ("1, 5, 9 -gt 4", "5\n9"),
    ("'contoso.com' -like '*.com'; 'abc' -match '^B'; 'abc' -notmatch 'b'", "True\nFalse\nFalse"),
    ("'a', 'b' -contains 'B'; 'x' -in 'a', 'b'; 'x' -notin 'a'", "True\nFalse\nTrue"),
    ("'a-b-c' -split '-'; 'a', 'b' -join '+'; 'aXb' -replace 'x', '.'", "a\nb\nc\na+b\na.b"),
    ("-not $true; !0; $true -and $false; $false -or 1; $true -xor $true", "False\nTrue\nFalse\nTrue\nFalse"),
    ("$false -and (Get-Nothing)", "False"),
    ("1..4; 3..1", "1\n2\n3\n4\n3\n2\n1"),
    ("[int]'12' + 1; [string]5 + 'x'; [bool]'a'; [int[]]('1', '2')", "13\n5x\nTrue\n1\n2"),
    ("'x' -is [string]; 5 -isnot [string]; (Get-Date) -is [datetime]", "True\nTrue\nTrue"),
    # lists, tables, members
    ("$x = 'a', 'b', 'c'; $x[0]; $x[-1]; $x[0..1]; $x.Count", "a\nc\na\nb\n3"),
    ("$x = @(); $x += 'a'; $x += 'b'; \"$x\"", "a b"),
    ("$h = @{}; $h['x'] = 5; $h.y = 6; $h.Remove('x'); $h.Keys; $h.y", "y\n6"),
    ("$h = @{ a = 1\n # why\n b = @{ c = 2 }; 'd e' = 3 }; $h.b.c; $h.'d e'; $h.A", "2\n3\n1"),
    ('$a, $b = 1, 2, 3; "$a|$b"', "1|2 3"),
    ("'a-b'.Split('-')[1].ToUpper(); 'abc'.Substring(1, 1); ' x '.Trim()", "B\nb\nx"),
    ("(Get-Date).AddDays(-7).ToString('yyyy-MM-dd'); (Get-Date).Year", "2026-11-17\n2026"),
    ("$r = [pscustomobject]@{ Name = 'x'; Size = 2 }; $r.name; $r.Size = 3; \"$r\"", "x\n@{Name=x; Size=3}"),
    ("[math]::Round(2.567, 2); [string]::IsNullOrEmpty(''); [guid]::NewGuid().Length", "2.57\nTrue\n36"),
    # statements
    ("if (0) { 'a' } elseif ('x') { 'b' } else { 'c' }", "b"),
    ('foreach ($i in 1..3) { if ($i -ne 2) { "i=$i" } }', "i=1\ni=3"),
    ("try { throw 'bad' } catch { \"caught $_\"; $_.Exception.Message } finally { 'end' }", "caught bad\nbad\nend"),
    ("'a'; return; 'b'", "a"),
    ("$x = if (1) { 'yes' }; $x", "yes"),
    ("'a' # comment\n<# and\n more #> 'b'", "a\nb"),
    ("Write-Output `\n 'joined'", "joined"),
    ("1..3 |\n ForEach-Object { $_ * 2 }", "2\n4\n6"),
    ("# nothing but a comment", ""),
    ("", ""),
    ("[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12", ""),
    # commands
    ("Write-Output a, b | Select-Object -Last 1", "b"),
    ("Write-Output a , b,`\n c", "a\nb\nc"),
    ("Write-Output 192.0.2.1,192.0.2.2", "192.0.2.1\n192.0.2.2"),
    ("$d = 'C:'; Write-Output $d\\cert.pfx", "C:\\cert.pfx"),
    ("Write-Output –InputObject x", "x"),
    ("$s = @{ InputObject = 'x' }; Write-Output @s", "x"),
    ("$s = 'x', 'y'; Write-Host @s", "x y"),
    ("'b', 'a', 'c' | Sort-Object -Descending | select -First 2", "c\nb"),
    ("1, 2, 3 | Measure-Object -Sum | % Sum", "6"),
    ("Write-Host 'a' -NoNewline; Write-Host 'b'; Write-Host 'c' -NoNewline", "ab\nc"),
    ('"a`e[31mb"; Write-Host "c`ad"', "a\ufffd[31mb\nc\ufffdd"),
    ("'a', 'b', 'a' | group | Where-Object Count -GT 1 | % Name", "a"),
    ("$? ; Get-Content nope -ErrorAction SilentlyContinue; $?", "True\nFalse"),
    ('Get-Content nope -ea Ignore -ev e; "$e"', "Cannot find path 'nope' because it does not exist."),
    ("@{ a = 1; b = 'x', 'y' } | ConvertTo-Json -Compress", '{"a":1,"b":["x","y"]}'),
    ('\'{"a": [1, {"b": null}]}\' | ConvertFrom-Json | % { $_.a[0] }', "1"),
]


@pytest.mark.parametrize(("script", "shown"), SHOWN)
def test_script_shows(console: Screen, script: str, shown: str) -> None:
    assert console.run(script) == shown


REFUSED = [
    ("while ($true) { 1 }", "not supported: while", 1, 1),
    ("'a'\nfor ($i = 0; $i -lt 3; $i++) { $i }", "not supported: for", 2, 1),
    ("function f { 1 }", "not supported: function", 1, 1),
    ("$x = 1; $x++", "not supported: post increment", 1, 9),
    ("& 'Get-Date'", "not supported: calling by & or .", 1, 1),
    ("Get-Date > file", "not supported: redirection", 1, 10),
    ("'a' && 'b'", "not supported: several pipelines", 1, 5),
    ("New-Object System.Diagnostics.Process", "not supported: the type [System.Diagnostics.Process]", 1, 1),
    ("[System.IO.File]::Delete('x')", "not supported: [System.IO.File]::Delete()", 1, 1),
    ("[scriptblock]::Create('1')", "not supported: [scriptblock]::Create()", 1, 1),
    ("'abc'.Foo()", "not supported: [System.String] has no method named 'Foo'", 1, 1),
    ("[char]65", "not supported: the cast [char]", 1, 1),
    ("$global:x = 1; $foo:x", "not supported: the scope foo:", 1, 16),
    ("1, 2\n  'a' -band 'b'", "not supported: the operator -band", 2, 7),
    ("'a' + (", "cannot read", 1, 1),
    ("Get-Foo", "The term 'Get-Foo' is not recognized", 1, 1),
    (
        "'x'; Get-Contnt a",
        "The term 'Get-Contnt' is not recognized as the name of a cmdlet. Did you mean Get-Content?",
        1,
        6,
    ),
    (
        "Get-Date -Formt g",
        "A parameter cannot be found that matches parameter name 'Formt'. Did you mean -Format?",
        1,
        1,
    ),
    ("Get-Date -Format", "Missing an argument for parameter 'Format'.", 1, 1),
    ("Select-Object -Ex x", "Parameter cannot be processed because the parameter name 'Ex' is ambiguous", 1, 1),
    ("Get-Date -Year x", "Cannot process argument transformation on parameter 'Year'.", 1, 1),
    ("Get-Date a b", "A positional parameter cannot be found that accepts argument 'b'.", 1, 1),
    ("Get-Date @nothing", "@nothing is $null", 1, 10),
    ("$true = 1", "Cannot overwrite variable true", 1, 1),
    ("1 / 0", "Attempted to divide by zero.", 1, 3),
    ("1 + 'x'", 'Cannot convert value "x" to a number.', 1, 3),
    ("@{ a = 1; A = 2 }", "Duplicate keys 'A'", 1, 11),
    ("$x.Foo()", "You cannot call a method on a null-valued expression.", 1, 1),
    ("'x' * 1000000000", "is longer than", 1, 5),
    ("1..1000000000", "is longer than", 1, 1),
    ("'a' -match '('", "is no regular expression", 1, 5),
    ("throw 'bad'", "bad", 1, 1),
    ("'a'\nWrite-Error 'bad'", "Write-Error: bad", 2, 1),
    ('"$(\n Get-Foo)"', "The term 'Get-Foo'", 2, 2),
    ("Write-Output Ärger, b; Get-Foo", "The term 'Get-Foo'", 1, 24),
    ("(" * 60 + "1" + ")" * 60, "not supported: nesting as deep as this", None, None),
]


@pytest.mark.parametrize(("script", "complaint", "line", "column"), REFUSED)
def test_what_cannot_be_done_is_told_with_its_place(
    console: Screen, script: str, complaint: str, line: int | None, column: int | None
) -> None:
    told = console.fail(script)
    assert told.startswith(complaint) or complaint in told.splitlines()[0]
    if line is not None:
        assert f"At line:{line} char:{column}" in told


def test_what_is_not_supported_ends_the_script_even_where_errors_are_silenced(console: Screen) -> None:
    told = console.fail("try { New-Object Foo.Bar -ErrorAction SilentlyContinue } catch { 'hidden' }")
    assert told.startswith("not supported: the type [Foo.Bar]")
    assert console.lines == []


def test_an_error_ends_the_script_unless_it_says_otherwise(console: Screen) -> None:
    console.fail("Get-Content nope; 'after'")
    assert console.lines == []
    assert console.run("$ErrorActionPreference = 'Continue'; Get-Content nope; 'after'") == "after"
    assert console.complaints[0] == "Get-Content: Cannot find path 'nope' because it does not exist."


def test_output_stands_in_the_order_in_which_it_came(console: Screen) -> None:
    assert console.run("foreach ($i in 1, 2) { $i; Write-Host host }") == "1\nhost\n2\nhost"


def test_variables_live_from_one_script_to_the_next(console: Screen) -> None:
    console.run("$x = 5")
    assert console.run("$x + 1") == "6"


def test_exit_gives_its_status(console: Screen) -> None:
    assert console.shell.run("'a'; exit 3; 'b'") == 3
    assert console.shell.is_over
    assert console.lines == ["a"]


@pytest.mark.parametrize(
    ("text", "waits_for"),
    [
        ("Get-Date", None),
        ("$x = @{", "{"),
        ("$x = @{ a = 1 }", None),
        ("'a", "'"),
        ('"a $(', '"'),
        ('@"\nabc', '@"'),
        ("Get-Date |", "|"),
        ("Get-Date `", "`"),
        ("$x =", "="),
        ("Write-Output a,", ","),
        ("Write-Output ')' # {", None),
        ("<# begun", "<#"),
        ("if ($x) { 'a' }", None),
    ],
)
def test_a_line_that_goes_on_is_known(text: str, waits_for: str | None) -> None:
    assert Source(text).open == waits_for


PIECES = st.sampled_from(
    [*"$@(){}[]\"'`,;|#.:-=+<>&%!", " ", "\n", "a", "Get-Date", "$x", "1", "-f", "..", "@{", "$(", '@"\n', "\n'@", "é"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_raises_anything_but_a_shell_error(text: str) -> None:
    source = Source(text)
    try:
        parse(source)
    except ShellError as error:
        assert error.place is not None
        assert 1 <= error.place.line <= text.count("\n") + 1
        assert error.place.column >= 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_script_raises_anything(console: Screen, text: str) -> None:
    assert console.shell.run(text) in range(256)


VALUES = st.sampled_from(
    [
        *("$null", "$true", "0", "-1", "1e400", "9223372036854775807", "1.5", "'x'", "''", "'12'", "'2026-11-24'"),
        *("(Get-Date)", "[datetime]'0001-01-01'", "@()", "@(1, 'a', $null)", "@{}", "@{ a = 1 }", "[byte[]](1, 2)"),
        *("{ 1 }", "[int]", "[pscustomobject]@{ a = 1 }", "(New-Object Net.Mail.MailMessage)", "(, @(1))"),
    ]
)
OPERATORS = st.sampled_from(
    [
        *("+", "-", "*", "/", "%", "..", "-f", "-and", "-bor", "-join", "-split", "-replace", "-eq", "-gt", "-ceq"),
        *("-like", "-match", "-contains", "-in", "-is", "-xor"),
    ]
)
AFTER = st.sampled_from(
    [
        *(
            "",
            "[0]",
            "['a']",
            "[1e400]",
            ".Count",
            ".a",
            ".AddDays(1e300)",
            ".AddMonths(-1e9)",
            ".ToString('yyyy zzz')",
        ),
        *(
            ".Substring(-1)",
            ".Split($null)",
            ".PadLeft(1e300)",
            ".Add(1)",
            ".Foo()",
            " | Sort-Object",
            " | Format-List",
        ),
        *(" | ConvertTo-Json", " | Measure-Object -Sum", " | Select-Object -First -1", " | Get-InboundConnector"),
        *(" | Group-Object", " | Out-String", " | Format-Table a, b", " | Get-Date", " | ForEach-Object a"),
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, OPERATORS, VALUES, AFTER)
def test_no_value_makes_an_operator_or_a_cmdlet_raise_anything(
    console: Screen, left: str, operator: str, right: str, after: str
) -> None:
    assert console.shell.run(f"({left} {operator} {right}){after}; ({left}){after}") in (0, 1)
    assert console.shell.run(f"({left}){after}") in (0, 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["int", "string", "bool", "datetime", "byte[]", "int[]", "hashtable", "pscredential"]), VALUES)
def test_no_cast_raises_anything(console: Screen, type_name: str, value: str) -> None:
    assert console.shell.run(f"[{type_name}]({value})") in (0, 1)
