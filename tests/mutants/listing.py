"""The mutants: a name, the file, the text that is broken, what it becomes, who should notice."""

from __future__ import annotations

from typing import NamedTuple

LOSSES = ("tests/laws/test_losses.py",)
LAWS = ("tests/laws/test_roundtrip.py",)
STORE = ("tests/laws/test_through_the_store.py",)
REJECTS = ("tests/imports/test_rejects.py",)
POLICIES = ("tests/imports/test_policies.py",)
ATTACKS = ("tests/server/test_attacks.py", "tests/server/test_wire.py")
REDUCTION, OBJECTS = "writing/reduction.py", "writing/objects.py"
EXPORTING, ROWS, READING = "writing/exporting.py", "contract/rows.py", "reading/file.py"


class Mutant(NamedTuple):
    """One behaviour that is broken: ``old`` stands in the file exactly once."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = [
    # --- losses -----------------------------------------------------------------------------
    Mutant("holes are not counted", REDUCTION, "int(batch.hole.sum())", "0", LOSSES),
    Mutant("holes of traced masks are not counted", REDUCTION,
           'add("holes", dropped_holes)', 'add("holes", 0)', LOSSES),
    Mutant("objects left out are not counted", REDUCTION,
           'add("left-out", objects,', 'add("left-out", 0,', LOSSES),
    Mutant("boxes are not counted", REDUCTION,
           'add("as-box", len(first),', 'add("as-box", 0,', LOSSES),
    Mutant("masks are not counted", REDUCTION,
           'add("as-mask", len(chosen),', 'add("as-mask", 0,', LOSSES),
    Mutant("outlines are not counted", REDUCTION,
           'add("as-outline", len(part))', 'add("as-outline", 0)', LOSSES),
    Mutant("rings split from their object are not counted", REDUCTION,
           "int(split and not counted)", "0", LOSSES),
    Mutant("attributes are not counted", REDUCTION,
           'add("attributes", len(extra.attributes))', 'add("attributes", 0)', LOSSES),
    Mutant("types of attributes are not counted", REDUCTION,
           "sum(map(_is_odd, extra.attributes.values()))", "0", LOSSES),
    Mutant("frames are not counted", REDUCTION, 'add("frames", 1)', 'add("frames", 0)', LOSSES),
    Mutant("properties are not counted", REDUCTION,
           'add("properties", 1, name)', 'add("properties", 0, name)', LOSSES),
    Mutant("a named property is dropped though it is carried", REDUCTION,
           "names - kept", "names", LOSSES),
    Mutant("merged objects are not counted", REDUCTION,
           'add("merged", len(gone))', 'add("merged", 0)', LAWS),
    Mutant("sizes that are not known are not counted", REDUCTION,
           "int(unknown.sum())", "0", LOSSES),
    Mutant("members are not counted", OBJECTS, "int(bool(lost))", "0", LOSSES),
    Mutant("parts are not counted", OBJECTS, "int(len(parts) > 1)", "0", LOSSES),
    Mutant("attributes that contradict are not counted", OBJECTS,
           "int(known.setdefault(name, value) != value)",
           "0 * int(known.setdefault(name, value) != value)", LOSSES),
    Mutant("properties that contradict are not counted", OBJECTS,
           'self._losses.add("properties", 1, name)', "pass", LOSSES),
    Mutant("frames that contradict are not counted", OBJECTS,
           "int(to.frame != more.frame)", "0", LOSSES),
    Mutant("holes without an outline are not counted", OBJECTS,
           "int(alone.sum())", "0", STORE),
    Mutant("edges are not counted", EXPORTING,
           "sum(len(entry.edges) for entry in self.classes)", "0", LOSSES),
    Mutant("images that are not listed are not counted", EXPORTING,
           "int((~seen).sum())", "0", LOSSES),
    Mutant("class names are not counted", EXPORTING,
           'add("class-names", len(self.classes))', 'add("class-names", 0)', LOSSES),
    # --- objects ----------------------------------------------------------------------------
    Mutant("keypoints lose their companion", OBJECTS,
           "if KEYPOINTS in present and companions", "if False and companions", LOSSES),
    Mutant("what later rows say is dropped", OBJECTS,
           "if not rows or rows == part[:1]:", "if True:", LOSSES),
    Mutant("two boxes of an object are one", OBJECTS,
           "if kind not in self._alone:", "if True:", LOSSES),
    Mutant("holes of keypoints' outlines are dropped", ROWS,
           "for ring in holes if len(rings) else ():", "for ring in ():", LOSSES),
    Mutant("an object's rows have only the first one's attributes", ROWS,
           "self._row(kind, image, tag, at, extra, hole=int(hole))",
           "self._row(kind, image, tag, at, extra if extra and extra.mask else None,"
           " hole=int(hole))", LOSSES),
    Mutant("no group of two rows is stored", "store/annotations.py",
           "np.flatnonzero(sizes > 1)", "np.flatnonzero(sizes > 2)", STORE),
    Mutant("no group is stored", "store/annotations.py",
           "[new[begin]] * (end - begin)", "[None] * (end - begin)", STORE),
    Mutant("sizes that later files state are not learnt", "jobs/receiver.py",
           "self._learn_sizes(found, sizes)", "pass", STORE),
    # --- exports ----------------------------------------------------------------------------
    Mutant("a split may leave a part empty", "writing/parts.py",
           "min(max(math.floor(len(names) * ratio + 0.5), 1), len(names) - 1)",
           "math.floor(len(names) * ratio + 0.5)", ("tests/exports",)),
    Mutant("zips have today's date", "writing/output.py",
           "_EPOCH = (1980, 1, 1, 0, 0, 0)", "_EPOCH = __import__('time').gmtime()[:6]",
           ("tests/exports/test_outputs.py",)),
    Mutant("images of one stem share a file in two parts", "contract/names.py",
           "chain(stems, map(stem_of, map(inside, others)))", "stems",
           ("tests/exports/test_outputs.py",)),
    # --- counts of an import, and rejects ------------------------------------------------------
    Mutant("a record that is skipped is no record", ROWS,
           "        self.records += 1\n        self.skipped += 1\n", "        self.skipped += 1\n",
           ("tests/formats/test_formats.py",)),
    Mutant("a record that is rejected is not counted as such", ROWS,
           "        self.rejected += 1\n", "", POLICIES),
    Mutant("one faulty part does not make its object faulty", READING,
           "np.add.reduceat(bad, starts[:-1]) > 0", "bad[starts[:-1]]",
           ("tests/imports/test_rejects.py",)),
    Mutant("attributes are not checked", READING,
           "        self._check_attributes(batch, bad)\n", "",
           ("tests/imports/test_attributes.py",)),
    Mutant("classes without a name are taken", READING,
           "        self._check_classes(batch, bad)\n", "", ("tests/imports", "tests/formats")),
    Mutant("a size that disagrees is taken", READING,
           "if stated != (0, 0) and actual not in ((0, 0), stated):", "if False:",
           ("tests/imports", "tests/formats/test_formats.py")),
    Mutant("rejects lack the table's header", "reading/rejects.py",
           "number <= header or", "number < header or", REJECTS),
    Mutant("rejects cut quoted cells in two", "reading/rejects.py",
           "quotes % 2 == 0", "True", REJECTS),
    Mutant("what a rejected file taught is kept", "jobs/receiver.py",
           "        self._book.restore(self._learnt_before)\n", "", ("tests/imports",)),
    Mutant("a dry run commits", "jobs/importing.py",
           "not refused and not options.dry_run", "not refused",
           ("tests/imports", "tests/contract")),
    # --- places ------------------------------------------------------------------------------
    Mutant("lines count from 0", "syntax/source.py",
           "yield number, line.decode", "yield number - 1, line.decode",
           ("tests/formats/test_formats.py",)),
    Mutant("a column of a table's cell is one off", "syntax/csv.py",
           "len(before) - before.rfind(", "1 + len(before) - before.rfind(",
           ("tests/test_csvtext.py", "tests/formats/test_formats.py")),
    Mutant("the column of an XML fault is one off", "syntax/xml.py",
           "Location(line, column + 1)", "Location(line, column)",
           ("tests/test_xmltext.py", "tests/formats/test_formats.py")),
    # --- permissions -------------------------------------------------------------------------
    Mutant("a key's role is not asked", "server/access.py",
           "if keys.ROLES.index(key.role) < keys.ROLES.index(route.role):", "if False:", ATTACKS),
    Mutant("a key's project is not asked", "server/access.py",
           'if project_id is not None and ids.parse("proj", project_id) != key.project:',
           "if False:", ATTACKS),
    Mutant("all projects are listed for a key of one", "server/access.py",
           'route.name in {"projects.list", "trash.list"}', "False", ATTACKS),
    Mutant("addresses never expire", "server/links.py",
           "if permit.expires < now_ms():", "if False:", ATTACKS),
    # --- the store ----------------------------------------------------------------------------
    Mutant("a page repeats its last annotation", "store/annotations.py",
           '("<", "DESC") if direction == "p" else (">", "ASC")',
           '("<", "DESC") if direction == "p" else (">=", "ASC")', ("tests/store/test_paging.py",)),
    Mutant("going back repeats an annotation", "store/annotations.py",
           '("<", "DESC") if direction == "p" else (">", "ASC")',
           '("<=", "DESC") if direction == "p" else (">", "ASC")', ("tests/store/test_paging.py",)),
    Mutant("counts of tags are not kept", "store/changes.py",
           "tags.count(self.db, dict(self.by_tag))", "pass", ("tests/store/test_counts.py",)),
    Mutant("a purged project leaves its groups of assets", "store/purging.py",
           '        "asset_groups",\n', "", ("tests/store/test_counts.py",)),
    Mutant("an object may lie on two images", "store/edits.py",
           "    if of != asset:\n        return None\n", "", ("tests/contract", "tests/sdk")),
]  # fmt: skip
