"""diagrams.net can open the drawing, nothing in it overlaps, and the SVG is rendered from it."""

from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

import drawing

DRAWN = drawing.read()
BOXES, EDGES = DRAWN.boxes, DRAWN.edges
LEAVES = [box for box in BOXES.values() if not box.is_container]
GAP = 6  # pixels between boxes

each_edge = pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.id)


def frame(box):
    return box.x, box.y, box.x + box.width, box.y + box.height


def overlap(a, b, gap=0):
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def inside(inner, outer):
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def on_border(point, box):
    left, top, right, bottom = frame(box)
    x, y = point
    return (x in (left, right) and top <= y <= bottom) or (y in (top, bottom) and left <= x <= right)


def changed(tmp_path, old, new):
    text = drawing.SOURCE.read_text()
    assert old in text
    path = tmp_path / "changed.drawio"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_svg_is_made_from_the_drawing():
    assert drawing.TARGET.read_text() == drawing.render(DRAWN), "run: .venv/bin/python tools/drawing.py"


def test_the_drawing_is_an_uncompressed_graph():
    file = ElementTree.parse(drawing.SOURCE).getroot()
    assert file.tag == "mxfile"
    (root,) = file.findall("diagram/mxGraphModel/root")
    cells = root.findall("mxCell")
    assert len(cells) == len(root)
    assert [(cells[0].get("id"), cells[0].get("parent")), (cells[1].get("id"), cells[1].get("parent"))] == [
        ("0", None),
        ("1", "0"),
    ]
    ids = set()
    for cell in cells:  # a parent comes before its children
        assert cell.get("id") not in ids
        assert cell.get("parent") in {None, *ids}
        ids.add(cell.get("id"))
        assert cell.get("id") in ("0", "1") or cell.find("mxGeometry").get("as") == "geometry"
    for cell in cells:
        if cell.get("edge"):
            assert {cell.get("source"), cell.get("target")} <= ids


def test_the_svg_needs_nothing_else():
    picture = ElementTree.fromstring(drawing.TARGET.read_text())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert not any("href" in name for element in picture.iter() for name in element.attrib)
    assert "<style" not in drawing.TARGET.read_text()


def test_boxes_do_not_overlap():
    for parent in {box.parent for box in BOXES.values()}:
        for a, b in combinations([box for box in BOXES.values() if box.parent == parent], 2):
            assert not overlap(frame(a), frame(b), GAP if a.style["fillColor"] != "none" else 0), (a.id, b.id)


@pytest.mark.parametrize("box", BOXES.values(), ids=lambda box: box.id)
def test_a_box_is_inside_its_parent_and_its_text_inside_it(box):
    outer = frame(BOXES[box.parent]) if box.parent in BOXES else (0, 0, DRAWN.width, DRAWN.height)
    assert inside(frame(box), outer)
    if not box.lines:
        return
    assert inside(box.text_frame(), frame(box))
    for child in BOXES.values():
        if child.parent == box.id:
            assert not overlap(box.text_frame(), frame(child))


@each_edge
def test_an_edge_goes_from_border_to_border_around_other_boxes(edge):
    assert on_border(edge.points[0], BOXES[edge.source])
    assert on_border(edge.points[-1], BOXES[edge.target])
    for a, b in pairwise(edge.points):
        assert (a[0] == b[0]) != (a[1] == b[1]), "a segment is horizontal or vertical"
        segment = min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])
        for box in LEAVES:
            if box.id not in (edge.source, edge.target):
                assert not overlap(segment, frame(box), 2), box.id
        for end in (edge.source, edge.target):
            left, top, right, bottom = frame(BOXES[end])
            assert not overlap(segment, (left + 1, top + 1, right - 1, bottom - 1)), f"it runs through {end}"


@pytest.mark.parametrize("edge", [edge for edge in EDGES if edge.label], ids=lambda edge: edge.id)
def test_a_label_covers_no_box(edge):
    (x, y), size = edge.label_at(), float(edge.style["fontSize"])
    half = drawing.Line(edge.label, bold=False).width(size) / 2
    for box in LEAVES:
        assert not overlap((x - half, y - size / 2, x + half, y + size / 2), frame(box)), box.id


def test_the_whole_system_is_drawn():
    shown = "\n".join(line.text for box in BOXES.values() for line in box.lines)
    for part in (
        *(
            "pinter-skuy",
            "Cilvest",
            "CSV",
            "JSON",
            "PostgreSQL",
            "X API",
            "Collector",
            "Shipper",
            "Apache Kafka",
            "Lander",
        ),
        *("Data lake", "Cloud Storage", "Spark", "Sail", "Dataproc", "BigQuery", "staging", "dwh", "datamart", "ops"),
        *(
            "Elasticsearch",
            "Kibana",
            "Looker Studio",
            "Report page",
            "Airflow",
            "Laptop",
            "Docker Compose",
            "Google Cloud",
        ),
    ):
        assert part in shown, part
    linked = {end for edge in EDGES for end in (edge.source, edge.target)}
    for box in LEAVES:
        if box.parent in BOXES and box.parent != "places":
            assert box.id in linked, f"{box.id} has no arrow"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('target="staging"', 'target="nowhere"', "'nowhere' does not exist"),
        ("edgeStyle=none", "edgeStyle=orthogonalEdgeStyle", "only edges of straight segments"),
        ("rounded=1;", "rounded=1;shape=cylinder3;", "only rectangles"),
        ("&lt;b&gt;CSV", "&lt;i&gt;CSV", "only <b>"),
        ('id="csv"', 'id="json"', "occurs twice"),
        ("mxGraphModel", "other", "no uncompressed"),
    ],
)
def test_what_is_not_supported_is_refused(tmp_path, old, new, message):
    path = changed(tmp_path, old, new)
    if old == "mxGraphModel":
        path.write_text(path.read_text().replace("</mxGraphModel>", "</other>"))
    if old == 'id="csv"':
        path.write_text(path.read_text().replace('source="csv"', 'source="json"'))
    with pytest.raises(ValueError, match=message):
        drawing.read(path)


def test_a_moved_box_changes_the_picture(tmp_path):
    moved = drawing.read(changed(tmp_path, 'width="180" height="58"', 'width="170" height="58"'))
    assert drawing.render(moved) != drawing.render(DRAWN)
