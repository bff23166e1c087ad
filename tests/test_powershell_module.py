"""The PowerShell module: what it exports is what there is, and its syntax is what the grammar knows.

That the generated files are up to date is `test_generated_docs.py`'s business.
"""

import re
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

import staffetta
from docs.powershell import FUNCTIONS
from staffetta.operations.registry import operations

FOLDER = Path(__file__).parents[1] / "powershell" / "Staffetta"
FILES = sorted(path.name for path in FOLDER.iterdir())
PARSER = Parser(Language(tree_sitter_powershell.language()))
# Not $Event, which is set in handlers of events alone: Exchange's Get-MessageTraceDetailV2 has such a parameter.
AUTOMATIC = {
    *("args", "error", "false", "foreach", "home", "host", "input", "lastexitcode", "matches"),
    *(
        "myinvocation",
        "null",
        "pid",
        "profile",
        "psboundparameters",
        "pscmdlet",
        "pshome",
        "pwd",
        "sender",
        "this",
        "true",
    ),
}
COMMON = {
    *("confirm", "debug", "erroraction", "errorvariable", "informationaction", "informationvariable", "outbuffer"),
    *("outvariable", "pipelinevariable", "verbose", "warningaction", "warningvariable", "whatif"),
}
NEWER_THAN_5_1 = re.compile(r"\?\?=?|\?\.|&&|\|\||\$\w+ \? |ForEach-Object -Parallel")


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def tree(name: str) -> Node:
    return PARSER.parse(text(name).encode()).root_node


def functions(name: str) -> list[str]:
    return re.findall(r"^function ([\w-]+)", text(name), re.MULTILINE)


def exported(name: str) -> list[str]:
    listed = re.search(r"(?:-Function|FunctionsToExport =) @\(([^)]*)\)", text(name))
    assert listed is not None
    return re.findall(r"'([^']+)'", listed.group(1))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_what_the_grammar_knows(name: str) -> None:
    assert not tree(name).has_error


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_newer_than_windows_powershell_5_1(name: str) -> None:
    code = re.sub(r"<#.*?#>|#[^\n]*|'[^']*'", "", text(name), flags=re.DOTALL)
    assert NEWER_THAN_5_1.findall(code) == []


@pytest.mark.parametrize("name", FILES)
def test_files_are_ascii_since_5_1_reads_no_other_text_without_a_mark(name: str) -> None:
    assert text(name).isascii()


def test_the_manifest_names_what_the_module_exports() -> None:
    assert exported("Staffetta.psd1") == exported("Staffetta.psm1") == list(FUNCTIONS)
    assert set(FUNCTIONS) <= set(functions("Staffetta.psm1"))
    assert f"ModuleVersion = '{staffetta.__version__}'" in text("Staffetta.psd1")
    assert "PowerShellVersion = '5.1'" in text("Staffetta.psd1")


def test_a_connection_brings_every_operation_and_nothing_else() -> None:
    names = [operation.name for operation in operations()]
    assert exported("Cmdlets.psm1") == names
    assert set(names) <= set(functions("Cmdlets.psm1"))


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_no_parameter_has_a_name_that_powershell_keeps_for_itself(operation: object) -> None:
    names = {parameter.name.lower() for parameter in operation.parameters}  # type: ignore[attr-defined]
    assert names & (AUTOMATIC | COMMON) == set()


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_a_change_can_be_tried_by_what_if_and_a_removal_asks(operation: object) -> None:
    name, is_change = operation.name, operation.is_change  # type: ignore[attr-defined]
    (proxy,) = re.findall(rf"^function {name} \{{.*?^\}}", text("Cmdlets.psm1"), re.MULTILINE | re.DOTALL)
    assert ("SupportsShouldProcess" in proxy) is is_change
    assert ("ConfirmImpact = 'High'" in proxy) is name.startswith("Remove-")
    assert f"-Name '{name}'" in proxy
