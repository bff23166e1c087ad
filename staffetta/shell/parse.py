"""From text to tree: what tree-sitter-powershell reads, as `syntax.py` says it.

Every construct that is not there is refused with its place; so is everything that the grammar cannot read.
"""

import re
from collections.abc import Callable, Iterator

import tree_sitter_powershell
from tree_sitter import Language, Parser
from tree_sitter import Node as Parsed

from staffetta.shell import literals
from staffetta.shell.source import Source
from staffetta.shell.syntax import (
    Argument,
    Assignment,
    Call,
    Cast,
    Chain,
    Collected,
    Exit,
    Expandable,
    Expression,
    ForEach,
    Grouped,
    HashLiteral,
    If,
    Index,
    Invocation,
    ListOf,
    Literal,
    Member,
    Parameter,
    Pipeline,
    Return,
    ScriptBlock,
    Splat,
    Statement,
    Throw,
    Try,
    TypeName,
    Unary,
    Variable,
)
from staffetta.shell.trouble import CannotRead, NotSupported, Place

NESTING_MAX = 40
"""Deeper than any script by people, and shallow enough for recursion."""
_LANGUAGE = Language(tree_sitter_powershell.language())
_RANKS = frozenset(
    f"{rank}_{kind}"
    for rank in ("logical", "bitwise", "comparison", "additive", "multiplicative", "format", "range")
    for kind in ("expression", "argument_expression")
)
_IN_WORD = re.compile(r"\$(\{[^}]*\}|[A-Za-z_]\w*:\w+|\w+)")


def parse(source: Source) -> tuple[Statement, ...]:
    """Return the statements of a script. Raises CannotRead, NotSupported."""
    if source.is_empty:
        return ()  # which the grammar takes for an error
    root = Parser(_LANGUAGE).parse(source.octets).root_node
    _refuse_errors(source, root)
    return _Reader(source).statements(root)


def _refuse_errors(source: Source, root: Parsed) -> None:
    if not root.has_error:
        return
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or (node.is_missing and node.type not in ("command_argument_sep", ";")):
            text = (node.text or b"").decode("utf-8", "replace").strip()
            shown = (text.splitlines() or [""])[0][:40]
            lead = len(node.text or b"") - len((node.text or b"").lstrip())
            what = f"`{node.type}` is missing" if node.is_missing else f"cannot read `{shown}`"
            raise CannotRead(what, source.place(node.start_byte + lead))
        waiting += [child for child in reversed(node.children) if child.has_error or child.is_missing]


def _parts(node: Parsed) -> list[Parsed]:
    return [child for child in node.children if child.type != "comment"]


class _Reader:
    """Recursive descent over what the grammar found; a method per kind of node."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.depth = 0
        self.readers: dict[str, Callable[[Parsed], Expression]] = {
            "array_literal_expression": self.list_of,
            "expression_with_unary_operator": self.unary,
            "cast_expression": self.cast,
            "variable": self.variable,
            "string_literal": self.string,
            "expandable_string_literal": self.expandable,
            "expandable_here_string_literal": self.expandable,
            "verbatim_string_characters": self.verbatim,
            "verbatim_here_string_characters": self.verbatim,
            "integer_literal": self.number,
            "real_literal": self.number,
            "hash_literal_expression": self.hash_literal,
            "parenthesized_expression": self.grouped,
            "sub_expression": self.collected,
            "array_expression": self.collected,
            "script_block_expression": self.script_block,
            "type_literal": self.type_name,
            "member_access": self.member,
            "invokation_expression": self.invocation,
            "element_access": self.index,
            "simple_name": self.simple_name,
        }

    def text(self, node: Parsed) -> str:
        return (node.text or b"").decode("utf-8", "replace")

    def place(self, node: Parsed) -> Place:
        octets = node.text or b""
        return self.source.place(node.start_byte + len(octets) - len(octets.lstrip()))

    def refusal(self, node: Parsed, what: str = "") -> NotSupported:
        kind = re.sub("_(statement|expression)$", "", node.type).replace("_", " ")
        return NotSupported(what or kind, self.place(node))

    def deeper(self, node: Parsed) -> None:
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.refusal(node, "nesting as deep as this")

    # Statements

    def statements(self, node: Parsed) -> tuple[Statement, ...]:
        """Of a program, a block, or a list of statements."""
        found: list[Statement] = []
        for child in _parts(node):
            if child.type in ("statement_list", "script_block", "script_block_body"):
                found += self.statements(child)
            elif child.type not in ("empty_statement", "{", "}", "$(", "@(", ")", ";"):
                found.append(self.statement(child))
        return tuple(found)

    def statement(self, node: Parsed) -> Statement:
        self.deeper(node)
        try:
            match node.type:
                case "pipeline":
                    return self.pipeline(node)
                case "if_statement":
                    return self.if_statement(node)
                case "foreach_statement":
                    return self.foreach(node)
                case "try_statement":
                    return self.try_statement(node)
                case "flow_control_statement":
                    return self.flow_control(node)
            raise self.refusal(node)
        finally:
            self.depth -= 1

    def pipeline(self, node: Parsed) -> Statement:
        parts = _parts(node)
        if len(parts) != 1:
            raise self.refusal(parts[1], "several pipelines joined by && or ||")
        if parts[0].type == "assignment_expression":
            target, operator, value = _parts(parts[0])
            return Assignment(
                self.place(node), self.expression(target), self.text(operator).strip(), self.statement(value)
            )
        stages: list[Expression | Call] = []
        for part in _parts(parts[0]):
            if part.type == "command":
                stages.append(self.command(part))
            elif part.type == "redirection":
                raise self.refusal(part, "redirection; use a pipe to Out-Null or Out-String")
            elif part.type != "|":
                stages.append(self.expression(part))
        return Pipeline(self.place(node), tuple(stages))

    def if_statement(self, node: Parsed) -> Statement:
        branches: list[tuple[Statement, tuple[Statement, ...]]] = []
        otherwise: tuple[Statement, ...] = ()
        clauses = [node]
        for part in _parts(node):
            if part.type == "elseif_clauses":
                clauses += [clause for clause in _parts(part) if clause.type == "elseif_clause"]
            elif part.type == "else_clause":
                otherwise = self.statements(self.only(part, "statement_block"))
        for clause in clauses:
            condition = self.statement(self.only(clause, "pipeline"))
            branches.append((condition, self.statements(self.only(clause, "statement_block"))))
        return If(self.place(node), tuple(branches), otherwise)

    def foreach(self, node: Parsed) -> Statement:
        variable = self.variable_name(self.only(node, "variable"))
        items = self.statement(self.only(node, "pipeline"))
        return ForEach(self.place(node), variable, items, self.statements(self.only(node, "statement_block")))

    def try_statement(self, node: Parsed) -> Statement:
        catch: tuple[Statement, ...] | None = None
        at_last: tuple[Statement, ...] = ()
        for part in _parts(node):
            if part.type == "catch_clauses":
                clauses = _parts(part)
                if len(clauses) > 1:
                    raise self.refusal(clauses[1], "several catch blocks; use one")
                catch = self.statements(self.only(clauses[0], "statement_block"))
            elif part.type == "finally_clause":
                at_last = self.statements(self.only(part, "statement_block"))
        return Try(self.place(node), self.statements(self.only(node, "statement_block")), catch, at_last)

    def flow_control(self, node: Parsed) -> Statement:
        word, *value = _parts(node)
        given = self.statement(value[0]) if value else None
        match self.text(word).lower():
            case "throw":
                return Throw(self.place(node), given)
            case "return":
                return Return(self.place(node), given)
            case "exit":
                return Exit(self.place(node), given)
        raise self.refusal(node, self.text(word))

    def only(self, node: Parsed, kind: str) -> Parsed:
        """The first part of that kind."""
        for part in _parts(node):
            if part.type == kind:
                return part
        raise self.refusal(node)

    # Commands

    def command(self, node: Parsed) -> Expression | Call:
        name, *rest = _parts(node)
        if name.type != "command_name":
            raise self.refusal(name, "calling by & or .; write the command's name")
        rest = [part for group in rest for part in _parts(group)]
        if all(part.type == "command_argument_sep" for part in rest) and (value := self.number_at_start(name)):
            return value
        elements: list[Argument | Parameter | Splat] = []
        for part in rest:
            self.element(part, elements)
        return Call(self.place(node), self.text(name), tuple(elements))

    def number_at_start(self, node: Parsed) -> Expression | None:
        """`1..3` or `2MB` at the start of a pipeline, which the grammar takes for a command's name."""
        place, text = self.place(node), self.text(node)
        bounds = re.fullmatch(r"(-?\d{1,18})\.\.(-?\d{1,18})", text)
        if bounds is not None:
            first, last = (Literal(place, int(bound)) for bound in bounds.groups())
            return Chain(place, first, (("..", place, last),))
        value = literals.number(text)
        return None if value is None else Literal(place, value)

    def element(self, node: Parsed, elements: list[Argument | Parameter | Splat]) -> None:
        """Add one element of a command to those before it."""
        place, text = self.place(node), self.text(node)
        if node.type == "command_argument_sep":
            if text.strip() == ":" and elements and isinstance(elements[-1], Parameter):
                elements[-1] = Parameter(elements[-1].place, elements[-1].name, has_colon=True)
        elif node.type == "command_parameter":
            elements.append(Parameter(place, text.strip().removeprefix("-"), has_colon=False))
        elif node.type == "generic_token":
            elements.append(Argument(place, self.word(node)))
        elif node.type == "argument_list":
            elements.append(self.joined(node, elements))
        elif node.type == "array_literal_expression" and text.strip().startswith("@") and self.is_variable(node):
            elements.append(Splat(place, text.strip().removeprefix("@")))
        elif node.type == "array_literal_expression":
            elements.append(Argument(place, self.expression(node)))
        elif node.type == "redirection":
            raise self.refusal(node, "redirection; use a pipe to Out-Null or Out-String")
        else:
            raise self.refusal(node)

    def joined(self, node: Parsed, elements: list[Argument | Parameter | Splat]) -> Argument:
        """`(…)` right behind something: arguments of a type, or of a method that the grammar took for a property."""
        arguments = self.arguments(node)
        before = elements[-1] if elements else None
        if isinstance(before, Argument) and isinstance(before.value, Member):
            elements.pop()
            return Argument(before.place, Invocation(before.place, before.value.target, before.value.name, arguments))
        return Argument(self.place(node), ListOf(self.place(node), arguments))

    def is_variable(self, node: Parsed) -> bool:
        parts = _parts(node)
        while len(parts) == 1 and parts[0].type != "variable":
            parts = _parts(parts[0])
        return len(parts) == 1

    def word(self, node: Parsed) -> Expression:
        """A word without quotation marks, as an argument."""
        place, text = self.place(node), self.text(node)
        if "$(" in text or re.search(r"(?<!`)['\"]", text):
            raise self.refusal(node, f"the word {text}; put all of it in double quotation marks")
        if "$" not in text:
            value = literals.number(text)
            return Literal(place, literals.unescape(text) if value is None else value, is_bare=True)
        parts: list[str | Expression] = []
        at = 0
        for found in _IN_WORD.finditer(text):
            parts += [literals.unescape(text[at : found.start()]), Variable(place, found.group(1).strip("{}"))]
            at = found.end()
        return Expandable(place, (*parts, literals.unescape(text[at:])))

    # Expressions

    def expression(self, node: Parsed) -> Expression:
        """Read an expression of any rank."""
        while node.type not in self.readers or node.type == "array_literal_expression":
            parts = _parts(node)
            if len(parts) != 1:
                break
            node = parts[0]
        self.deeper(node)
        try:
            if node.type in _RANKS:
                return self.chain(node)
            if node.type not in self.readers:
                raise self.refusal(node)
            return self.readers[node.type](node)
        finally:
            self.depth -= 1

    def chain(self, node: Parsed) -> Expression:
        """Operators of one rank. The grammar nests them to the left, as deep as they are many."""
        rest: list[tuple[str, Place, Expression]] = []
        rank = node.type
        while node.type == rank and len(parts := _parts(node)) == 3:
            left, operator, right = parts
            rest.append((self.text(operator).strip().lower(), self.place(operator), self.expression(right)))
            node = left
        return Chain(self.place(node), self.expression(node), tuple(reversed(rest)))

    def list_of(self, node: Parsed) -> Expression:
        return ListOf(self.place(node), tuple(self.expression(part) for part in _parts(node) if part.type != ","))

    def unary(self, node: Parsed) -> Expression:
        parts = _parts(node)
        if len(parts) == 1:
            return self.expression(parts[0])
        return Unary(self.place(node), self.text(parts[0]).strip().lower(), self.expression(parts[1]))

    def cast(self, node: Parsed) -> Expression:
        type_literal, operand = _parts(node)
        return Cast(self.place(node), self.text(type_literal).strip()[1:-1].replace(" ", ""), self.expression(operand))

    def type_name(self, node: Parsed) -> Expression:
        return TypeName(self.place(node), self.text(node).strip()[1:-1].replace(" ", ""))

    def variable_name(self, node: Parsed) -> str:
        return self.text(node).strip().lstrip("$@").removeprefix("{").removesuffix("}")

    def variable(self, node: Parsed) -> Expression:
        if self.text(node).strip().startswith("@"):
            raise self.refusal(node, f"{self.text(node).strip()} here; splatting belongs to a command")
        text = self.text(node).strip()
        return Variable(self.place(node), text[1:] if text in ("$$", "$?", "$^") else self.variable_name(node))

    def simple_name(self, node: Parsed) -> Expression:
        return Literal(self.place(node), self.text(node).strip(), is_bare=True)

    def number(self, node: Parsed) -> Expression:
        value = literals.number(self.text(node).strip())
        if value is None:
            raise self.refusal(node, f"the number {self.text(node).strip()}")
        return Literal(self.place(node), value)

    def string(self, node: Parsed) -> Expression:
        return self.expression(_parts(node)[0])

    def verbatim(self, node: Parsed) -> Expression:
        return Literal(self.place(node), literals.verbatim(self.text(node).strip()))

    def expandable(self, node: Parsed) -> Expression:
        octets = self.source.octets
        start = node.start_byte + len(node.text or b"") - len((node.text or b"").lstrip())
        is_here = node.type == "expandable_here_string_literal"
        end = node.end_byte - (2 if is_here else 1)
        pieces: list[str | Expression] = []
        at = start + (2 if is_here else 1)
        for part in self.embedded(node):
            part_start = part.start_byte + len(part.text or b"") - len((part.text or b"").lstrip())
            pieces += [octets[at:part_start].decode("utf-8", "replace"), self.expression(part)]
            at = part.end_byte
        pieces.append(octets[at:end].decode("utf-8", "replace"))
        return Expandable(self.place(node), tuple(literals.inside(pieces, is_here=is_here)))

    def embedded(self, node: Parsed) -> Iterator[Parsed]:
        return (part for part in node.children if part.type in ("variable", "sub_expression"))

    def hash_literal(self, node: Parsed) -> Expression:
        entries = []
        bodies = [part for part in _parts(node) if part.type == "hash_literal_body"]
        for entry in (entry for body in bodies for entry in _parts(body) if entry.type == "hash_entry"):
            key, _, value, *_ = _parts(entry)
            entries.append((self.expression(key), self.statement(value)))
        return HashLiteral(self.place(node), tuple(entries))

    def grouped(self, node: Parsed) -> Expression:
        inside = [part for part in _parts(node) if part.type not in ("(", ")")]
        if len(inside) != 1:
            raise self.refusal(node, "empty parentheses")
        return Grouped(self.place(node), self.statement(inside[0]))

    def collected(self, node: Parsed) -> Expression:
        return Collected(self.place(node), self.statements(node), is_list=node.type == "array_expression")

    def script_block(self, node: Parsed) -> Expression:
        return ScriptBlock(self.place(node), self.statements(node), self.text(node).strip())

    def member(self, node: Parsed) -> Expression:
        target, _, name = _parts(node)
        return Member(self.place(node), self.expression(target), self.expression(name))

    def invocation(self, node: Parsed) -> Expression:
        target, _, name, arguments = _parts(node)
        return Invocation(self.place(node), self.expression(target), self.expression(name), self.arguments(arguments))

    def arguments(self, node: Parsed) -> tuple[Expression, ...]:
        lists = [part for part in _parts(node) if part.type == "argument_expression_list"]
        return tuple(self.expression(part) for given in lists for part in _parts(given) if part.type != ",")

    def index(self, node: Parsed) -> Expression:
        target, _, index, *_ = _parts(node)
        return Index(self.place(node), self.expression(target), self.expression(index))
