"""Running what was read: statements, pipelines, expressions.

Rule 1: nothing of Python's is reachable. Values have the properties and methods that `members.py` lists.
Rule 2: an error ends the script, unless `-ErrorAction`, `$ErrorActionPreference` or `try` says otherwise
(docs/decisions/036); what is not supported ends it always.
"""

from collections.abc import Callable, Sequence

from staffetta.shell import members, operators, statics, types
from staffetta.shell.commands import Given, Invoked, bind, unknown
from staffetta.shell.errors import ErrorRecord
from staffetta.shell.session import Session
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
from staffetta.shell.trouble import NotSupported, Place, ShellError
from staffetta.shell.values import Bag, Hashtable, Row, is_true, listed, text, unlisted, whole

Emit = Callable[[list[object]], None]
"""Takes the output of one pipeline."""
ERRORS_KEPT = 256


class _Returned(BaseException):
    """A `return` on its way to the block that it ends. No error: nothing but the block may catch it."""


class Exited(BaseException):
    """An `exit` on its way to whoever runs the script. status: as given."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Evaluator:
    """Runs the statements of a session."""

    def __init__(self, session: Session, complain: Callable[[ShellError], None]) -> None:
        """complain: shows an error after which the script goes on."""
        self.session = session
        self.complain = complain

    def run(self, statements: Sequence[Statement], emit: Emit) -> None:
        """Run a script. Raises ShellError, with the place of the statement if none is nearer; Exited."""
        try:
            self.each(statements, emit)
        except _Returned:
            return
        except RecursionError:
            raise ShellError("the script is nested too deeply") from None

    def each(self, statements: Sequence[Statement], emit: Emit) -> None:
        for statement in statements:
            try:
                self.statement(statement, emit)
            except ShellError as error:
                error.place = error.place or statement.place
                raise

    def block(self, block: ScriptBlock, item: object) -> list[object]:
        """Run a script block with `$_` as item, and return its output."""
        gathered: list[object] = []
        before = self.session.variables.get("_")
        self.session.variables["_"] = item
        try:
            self.each(block.statements, gathered.extend)
        except _Returned:
            pass
        finally:
            self.session.variables["_"] = before
        return gathered

    # Statements

    def statement(self, node: Statement, emit: Emit) -> None:
        match node:
            case Pipeline():
                emit(self.pipeline(node))
            case Assignment():
                self.assign(node)
            case If(branches=branches, otherwise=otherwise):
                for condition, body in branches:
                    if is_true(self.value_of(condition)):
                        self.each(body, emit)
                        return
                self.each(otherwise, emit)
            case ForEach(variable=variable, items=items, body=body):
                for item in listed(self.value_of(items)):
                    self.session.variables[variable] = item
                    self.each(body, emit)
            case Try():
                self.attempt(node, emit)
            case Throw(value=value):
                self.throw(self.value_of(value) if value is not None else None, node.place)
            case Exit(value=value):
                raise Exited(whole(self.value_of(value)) if value is not None else 0)
            case Return(value=value):
                if value is not None:
                    self.statement(value, emit)
                raise _Returned

    def value_of(self, node: Statement) -> object:
        """Return what a statement gives: a list where it gives several."""
        if isinstance(node, Pipeline) and len(node.stages) == 1 and isinstance(node.stages[0], Expression):
            return self.value(node.stages[0])
        gathered: list[object] = []
        self.statement(node, gathered.extend)
        return unlisted(gathered)

    def attempt(self, node: Try, emit: Emit) -> None:
        before = self.session.variables.get("_")
        try:
            self.each(node.body, emit)
        except NotSupported:
            raise
        except ShellError as error:
            if node.catch is None:
                raise
            self.remember(error)
            self.session.variables["_"] = ErrorRecord(error)
            self.each(node.catch, emit)
        finally:
            self.session.variables["_"] = before
            self.each(node.at_last, emit)

    def throw(self, value: object, place: Place) -> None:
        if value is None:
            raise ShellError("ScriptHalted", place)
        raise ShellError(
            text(value["Exception"]) if isinstance(value, Row) and "Exception" in value else text(value), place
        )

    def remember(self, error: ShellError) -> None:
        """Keep an error for `$Error` and `$?`."""
        self.session.is_good = False
        self.session.errors.insert(0, error)
        del self.session.errors[ERRORS_KEPT:]

    # Assignment

    def assign(self, node: Assignment) -> None:
        value = self.value_of(node.value)
        if node.operator != "=":
            if node.operator not in ("+=", "-=", "*=", "/=", "%="):
                raise NotSupported(f"the operator {node.operator}", node.place)
            value = operators.binary(node.operator[:-1], self.value(node.target), value)
        self.store(node.target, value)

    def store(self, target: Expression, value: object) -> None:
        match target:
            case Variable(name=name):
                self.set_variable(name, value, target.place)
            case ListOf(items=items):
                values = listed(value)
                for position, item in enumerate(items):
                    is_last = position == len(items) - 1
                    rest = (
                        unlisted(values[position:]) if is_last else values[position] if position < len(values) else None
                    )
                    self.store(item, rest)
            case Cast(type_name=name, operand=operand):
                self.store(operand, types.cast(name, value))
            case Member(target=owner, name=name) if isinstance(owner, TypeName):
                statics.set_static(owner.name, text(self.value(name)), value)
            case Member(target=owner, name=name):
                members.set_property(self.value(owner), text(self.value(name)), value)
            case Index(target=owner, index=index):
                members.set_item(self.value(owner), self.value(index), value)
            case _:
                raise NotSupported("an assignment to this", target.place)

    def set_variable(self, name: str, value: object, place: Place) -> None:
        bare = self.unscoped(name, place)
        if bare.casefold() in ("true", "false", "?"):
            raise ShellError(f"Cannot overwrite variable {bare} because it is read-only or constant.", place)
        if bare.casefold() != "null":
            self.session.variables[bare] = value

    def unscoped(self, name: str, place: Place) -> str:
        scope, colon, bare = name.rpartition(":")
        if colon and scope.casefold() not in ("global", "script", "local", "private", "variable"):
            raise NotSupported(f"the scope {scope}: of ${name}", place)
        return bare

    # Pipelines

    def pipeline(self, node: Pipeline) -> list[object]:
        items: list[object] = []
        for position, stage in enumerate(node.stages):
            if isinstance(stage, Expression):
                items = listed(self.value(stage))
                self.session.is_good = True
            else:
                items = self.call(stage, items, has_input=position > 0)
        return items

    def call(self, node: Call, items: list[object], *, has_input: bool) -> list[object]:
        """Run a command. An error goes as its ErrorAction says."""
        command = self.session.commands.get(node.name.casefold())
        if command is None:
            raise ShellError(unknown(self.session.commands, node.name), node.place)
        given = Bag()
        try:
            elements = self.elements(node)
            if any(each.name == "?" for each in elements):
                command, elements = self.session.commands["get-help"], [Given(None, command.name)]
            given = bind(command, elements)
            output = command.run(Invoked(self.session, self, given, items, has_input, node.place))
        except NotSupported as error:
            error.place = error.place or node.place
            raise
        except ShellError as error:
            error.place = error.place or node.place
            error.command = error.command or command.name
            self.settle(error, given)
            return []
        self.session.is_good = True
        if "OutVariable" in given:
            self.session.variables[text(given["OutVariable"])] = unlisted(output)
        return output

    def settle(self, error: ShellError, given: Bag) -> None:
        """Decide what an error of a command does: raise it, show it and go on, or keep silent."""
        action = given.get("ErrorAction", self.session.variables.get("ErrorActionPreference", "Stop"))
        name = text(action).casefold()
        if "ErrorVariable" in given:
            self.session.variables[text(given["ErrorVariable"])] = ErrorRecord(error)
        if name in ("silentlycontinue", "ignore"):
            self.remember(error)
        elif name == "continue":
            self.remember(error)
            self.complain(error)
        else:
            raise error

    def elements(self, node: Call) -> list[Given]:
        given: list[Given] = []
        for element in node.elements:
            match element:
                case Parameter(name=name, has_colon=has_colon):
                    given.append(Given(name, has_colon=has_colon))
                case Argument(value=value):
                    given.append(Given(None, self.value(value)))
                case Splat(name=name):
                    given += self.splat(name, element.place)
        return given

    def splat(self, name: str, place: Place) -> list[Given]:
        value = self.variable(name, place)
        if isinstance(value, Hashtable):
            return [
                each for key, item in value.items() for each in (Given(text(key), has_colon=True), Given(None, item))
            ]
        if value is None:
            raise ShellError(f"@{name} is $null; give ${name} a value before, such as @{{Name = 'x'}}", place)
        return [Given(None, item) for item in listed(value)]

    # Expressions

    def value(self, node: Expression) -> object:
        """Return what an expression is."""
        try:
            return self.evaluated(node)
        except ShellError as error:
            error.place = error.place or node.place
            raise

    def evaluated(self, node: Expression) -> object:
        match node:
            case Literal(value=value):
                return value
            case Variable(name=name):
                return self.variable(name, node.place)
            case Expandable(parts=parts):
                pieces = [part if isinstance(part, str) else text(self.value(part)) for part in parts]
                return "".join(pieces)
            case ListOf(items=items):
                return [self.value(item) for item in items]
            case Grouped(statement=statement):
                return self.value_of(statement)
            case Collected(statements=statements, is_list=is_list):
                gathered: list[object] = []
                self.each(statements, gathered.extend)
                return gathered if is_list else unlisted(gathered)
            case HashLiteral(entries=entries):
                return self.table(entries)
            case ScriptBlock() | TypeName():
                return node
            case Unary(operator=operator, operand=operand):
                return operators.unary(operator, self.value(operand))
            case Chain():
                return self.chain(node)
            case Cast(type_name=name, operand=operand):
                return statics.cast(name, self.value(operand), self.session)
            case Index(target=target, index=index):
                return members.item(self.value(target), self.value(index))
            case Member(target=target, name=name):
                return members.get_property(self.value(target), text(self.value(name)), self.session)
            case Invocation(target=target, name=name, arguments=arguments):
                values = [self.value(argument) for argument in arguments]
                return members.call(self.value(target), text(self.value(name)), values, self.session)
        raise NotSupported(type(node).__name__, node.place)

    def table(self, entries: Sequence[tuple[Expression, Statement]]) -> Hashtable:
        made = Hashtable()
        for key_node, statement in entries:
            key = self.value(key_node)
            if isinstance(key, list | Bag) or key is None:
                raise ShellError("A key of a hash table is a text or a number.", key_node.place)
            if key in made:
                raise ShellError(f"Duplicate keys '{text(key)}' are not allowed in hash literals.", key_node.place)
            made[key] = self.value_of(statement)
        return made

    def chain(self, node: Chain) -> object:
        value = self.value(node.first)
        for operator, place, operand in node.rest:
            if operator in ("-and", "-or") and is_true(value) is (operator == "-or"):
                value = operator == "-or"  # the right side is not even looked at
                continue
            right = self.value(operand)
            try:
                value = operators.binary(operator, value, right)
            except ShellError as error:
                error.place = error.place or place
                raise
        return value

    def variable(self, name: str, place: Place) -> object:
        if name.casefold().startswith("env:"):
            return self.session.environment.get(name[4:])
        bare = self.unscoped(name, place)
        match bare.casefold():
            case "true":
                return True
            case "false":
                return False
            case "null":
                return None
            case "?":
                return self.session.is_good
            case "error":
                return [ErrorRecord(error) for error in self.session.errors]
            case "psscriptroot" | "pwd":
                return str(self.session.folder)
            case "pscmdlet" | "args" | "input" | "myinvocation" | "this":
                raise NotSupported(f"${bare}", place)
        return self.session.variables.get(bare)
