"""What a script is made of, once it has been read: the tree that the evaluator walks.

It is smaller than PowerShell's own: what is not here is not supported, and there is no loop without an end.
"""

from dataclasses import dataclass

from staffetta.shell.trouble import Place


@dataclass(frozen=True, slots=True)
class Node:
    """place: of its first character."""

    place: Place


@dataclass(frozen=True, slots=True)
class Expression(Node):
    """Something with a value."""


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A text or a number. is_bare: a word without quotation marks, as an argument may be."""

    value: object
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class Expandable(Expression):
    """A text in double quotation marks: its pieces in order, escapes undone."""

    parts: tuple["str | Expression", ...]


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """name: as written, without `$`; with its scope, as in `env:HOME`."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf(Expression):
    """`a, b`"""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Grouped(Expression):
    """`( … )`: the value of one statement."""

    statement: "Statement"


@dataclass(frozen=True, slots=True)
class Collected(Expression):
    """`$( … )`, and `@( … )` which is always a list: what the statements give."""

    statements: tuple["Statement", ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class HashLiteral(Expression):
    """`@{ key = value }`; a key is a Literal where it is a plain word."""

    entries: tuple[tuple[Expression, "Statement"], ...]


@dataclass(frozen=True, slots=True)
class ScriptBlock(Expression):
    """`{ … }`. text: as written, with the braces."""

    statements: tuple["Statement", ...]
    text: str


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """operator: lower case, such as `-not`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Chain(Expression):
    """Operators of one rank, from the left: `first op operand op operand …`. Operators are lower case."""

    first: Expression
    rest: tuple[tuple[str, Place, Expression], ...]


@dataclass(frozen=True, slots=True)
class TypeName(Expression):
    """`[name]`; `byte[]` for an array of it."""

    name: str


@dataclass(frozen=True, slots=True)
class Cast(Expression):
    type_name: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """`target.name`, or `[type]::name`."""

    target: Expression
    name: Expression


@dataclass(frozen=True, slots=True)
class Invocation(Expression):
    """`target.name(arguments)`, or `[type]::name(arguments)`."""

    target: Expression
    name: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Index(Expression):
    target: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """What a command is given without a name, or as the value of the parameter before."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """`-Name`. has_colon: the next argument is its value, whatever the parameter is."""

    name: str
    has_colon: bool


@dataclass(frozen=True, slots=True)
class Splat(Node):
    """`@name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A command and what it is given. name: as written."""

    name: str
    elements: tuple[Argument | Parameter | Splat, ...]


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """Something to do."""


@dataclass(frozen=True, slots=True)
class Pipeline(Statement):
    """An expression or a command, then commands."""

    stages: tuple[Expression | Call, ...]


@dataclass(frozen=True, slots=True)
class Assignment(Statement):
    """operator: `=`, `+=` and the like. value: a pipeline, or a statement such as `if`."""

    target: Expression
    operator: str
    value: Statement


@dataclass(frozen=True, slots=True)
class If(Statement):
    """branches: condition and what to do, in order. otherwise: empty where there is no `else`."""

    branches: tuple[tuple[Statement, tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class ForEach(Statement):
    variable: str
    items: Statement
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Try(Statement):
    """catch: None where there is none; it catches everything."""

    body: tuple[Statement, ...]
    catch: tuple[Statement, ...] | None
    at_last: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Throw(Statement):
    value: Statement | None


@dataclass(frozen=True, slots=True)
class Exit(Statement):
    """`exit` ends the script with a status."""

    value: Statement | None


@dataclass(frozen=True, slots=True)
class Return(Statement):
    """`return` ends the script, or the script block that it stands in."""

    value: Statement | None
