"""What an operation takes and gives: the shapes of parameters and properties, and their spelling outside."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from staffetta.mail.sentence import Sentence
from staffetta.settings.objects import outside_name

RESULTS_DEFAULT = 1000


class Input(BaseModel):
    """Parameters of an operation. Which of them were given is `model_fields_set`."""

    model_config = ConfigDict(alias_generator=outside_name, populate_by_name=True, extra="forbid", frozen=True)


class Output(BaseModel):
    """Properties of one row of output, in the order in which they are shown."""

    model_config = ConfigDict(alias_generator=outside_name, populate_by_name=True, frozen=True)


def _kept(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Sentence) else handler(value)


Said = Annotated[str, WrapValidator(_kept)]
"""A text that may be a Sentence, and stays one in a row of output."""


class Nothing(Input):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class MultiValued:
    """A list as it is given: a whole one, or what to add to the present one and what to remove from it.

    Given as a list, as one text, as None (which empties it), or as {"Add": …, "Remove": …}.
    """

    whole: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied_to(self, present: Iterable[str]) -> tuple[str, ...]:
        """Return the list after the change: texts compare in any case, none stands twice, the order is kept."""
        if self.whole is not None:
            return _once(self.whole)
        removed = {text.lower() for text in self.remove}
        return tuple(text for text in _once((*present, *self.add)) if text.lower() not in removed)

    @classmethod
    def read(cls, given: object) -> "MultiValued":
        """Raises PydanticCustomError."""
        if isinstance(given, MultiValued):
            return given
        if not isinstance(given, dict):
            return cls(_texts(given))
        change = {str(key).lower(): value for key, value in given.items() if str(key).lower() != "@odata.type"}
        if set(change) - {"add", "remove"}:
            raise PydanticCustomError("multi_valued", "A list is changed by @{Add=…; Remove=…} and nothing else.")
        if not change:
            return cls(())  # how Exchange empties a list over HTTP
        return cls(None, _texts(change.get("add")), _texts(change.get("remove")))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1}
        texts = {"type": "array", "items": text}
        change = {
            "type": "object",
            "properties": {key: {"anyOf": [text, texts]} for key in ("Add", "Remove")},
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string"}, texts, {"type": "null"}, change]}


@dataclass(frozen=True, slots=True)
class _Marker:
    name: str


SWITCH = _Marker("switch")
SIZE = _Marker("size")

Switch = Annotated[bool, SWITCH]
"""True where its name is given without a value."""

ResultSize = Annotated[int | None, SIZE, Field(description="Rows at most; `Unlimited` for all.", ge=1)]
"""None: all."""


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for text in texts:
        kept.setdefault(text.lower(), text)
    return tuple(kept.values())


def _texts(given: object) -> tuple[str, ...]:
    if given is None or given == "":
        return ()
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list | tuple) and all(isinstance(each, str) and each for each in given):
        return tuple(given)
    raise PydanticCustomError("multi_valued", "Write one text, a list of texts, or @{Add=…; Remove=…}.")
