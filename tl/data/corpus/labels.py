"""Files of labels: what people said of documents, by the ids of these."""

from pathlib import Path

from tl.data.conll import is_tag, unify_tags
from tl.data.corpus import Labels
from tl.data.files import read_csv, read_json, read_text
from tl.data.records import Record

FORMS = (
    "labels of sentiment are a CSV or JSONL file with the columns id and label (--sentiment FILE); "
    "entities are CoNLL columns, where a line `# id = ID` begins each document (--ner FILE). An id "
    "is the article's id, or else its url. To build without them, add --subsets summarization"
)


def read_labels(sentiment: Path | None, ner: Path | None, encoding: str) -> Labels:
    """All labels of two files.

    Raises:
        ValueError: a file cannot be read, or lacks what it must have.
        OSError: a file cannot be opened.
    """
    return Labels(
        {} if sentiment is None else read_sentiment(sentiment, encoding),
        {} if ner is None else read_entities(ner, encoding),
    )


def read_sentiment(path: Path, encoding: str) -> dict[str, str]:
    """Labels by id, from the columns `id` and `label` (or `sentiment`)."""
    read = read_csv if path.suffix.lower() in (".csv", ".tsv") else read_json
    labels: dict[str, str] = {}
    for i, record in enumerate(read(path, encoding), 1):
        label = str(record.get("label") or record.get("sentiment") or "").strip()
        id = str(record.get("id") or "").strip()
        if not label or not id:
            raise ValueError(
                f"{path}, record {i}: needs an id and a label, has {', '.join(record)}; {FORMS}"
            )
        if labels.setdefault(id, label) != label:
            raise ValueError(f"{path}, record {i}: {id} has two labels, {labels[id]} and {label}")
    return labels


def read_entities(path: Path, encoding: str) -> dict[str, Record]:
    """Words and their IOB2 tags by id; blank lines, between sentences, are passed over."""
    documents: dict[str, Record] = {}
    current: Record | None = None
    for i, line in enumerate(read_text(path, encoding).split("\n"), 1):
        if line.startswith("# id = "):
            id = line.removeprefix("# id = ").strip()
            if id in documents:
                raise ValueError(f"{path}, line {i}: {id} is there twice")
            current = documents[id] = {"tokens": [], "ner_tags": []}
        elif line.strip():
            columns = line.split()
            if current is None:
                raise ValueError(f"{path}, line {i}: no line `# id = ID` before it; {FORMS}")
            if len(columns) < 2 or not is_tag(columns[-1]):
                raise ValueError(f"{path}, line {i}: expected a word and its tag, such as B-PER")
            current["tokens"].append(columns[0])
            current["ner_tags"].append(columns[-1])
    unified, _ = unify_tags({"all": list(documents.values())})
    return dict(zip(documents, unified["all"], strict=True))
