"""Whether WebAssembly modules fit together, said before the program starts and in the author's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gadus.core.errors import ProgramUnusable

from ._wasm_modules import Module

ENTRY_TYPE = "function () -> ()"


def check_entry_point(entry: Module, name: str) -> None:
    """Raises ProgramUnusable when `entry` cannot be started at `name`."""
    kind = entry.exports.get(name)
    if kind == ENTRY_TYPE:
        return
    startable = [other for other, kind in entry.exports.items() if kind == ENTRY_TYPE]
    hint = f"choose another with --entry-point, e.g. {startable[0]}" if startable else "build a program, not a library"
    if kind is not None:
        raise ProgramUnusable(f"the entry point {name!r} is a {kind}; it must be a {ENTRY_TYPE}", hint=hint)
    raise ProgramUnusable(
        f"unable to find the entrypoint {name!r} in the WASM module; it exports {_listed(entry.exports)}", hint=hint
    )


def check_imports(what: str, module: Module, others: Mapping[str, Module]) -> None:
    """Raises ProgramUnusable when `module` imports what neither WASI nor `others` export."""
    for source, name, built_in in module.imports:
        if built_in:
            continue
        if source not in others:
            raise ProgramUnusable(
                f"{what} imports {name!r} from {source!r}, which is not here; there is {_listed(['WASI preview 1', *others])}",
                hint=f"give the module as one of ImportModules with the Alias {source!r}",
            )
        if name not in others[source].exports:
            raise ProgramUnusable(
                f"{what} imports {name!r} from {source!r}, which exports {_listed(others[source].exports)}",
                hint=f"give another version of the import module {source!r}",
            )


def in_order(modules: Mapping[str, Module]) -> dict[str, Module]:
    """The modules so that each comes after those it imports from. Raises ProgramUnusable for a circle."""
    ordered: dict[str, Module] = {}
    waiting = dict(modules)
    while waiting:
        ready = [name for name, module in waiting.items() if all(one in ordered or own for one, _, own in module.imports)]
        if not ready:
            raise ProgramUnusable(
                f"the import modules {_listed(waiting)} import from each other in a circle", hint="link them into one module"
            )
        ordered.update((name, waiting.pop(name)) for name in ready)
    return ordered


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:20])
    return (shown or "nothing") + (f" and {len(names) - 20} more" if len(names) > 20 else "")
