import json
import re

from openpi.testing import program


def test_shows_another_programs_results_as_a_table_and_a_page(tmp_path):
    def row(task, marks):
        episodes = [
            {"episode": i, "success": mark, "steps": 100, "seconds": 9, "complete": True}
            for i, mark in enumerate(marks)
        ]
        return {"policy": "pi05_libero", "task": task, "suite": "spatial", "episodes": episodes}

    rows = [row("spatial: pick up the <bowl>", [True] * 9 + [False]), row("spatial: open the drawer", [True, False])]
    (tmp_path / "libero.json").write_text(json.dumps({"conditions": {"seed": 7}, "rows": rows}))
    done = program.run("openpi/evaluate:show", "libero.json", "--html=page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^pi05_libero +spatial: pick up the <bowl> +90 % \(60-98\) +100\.0$", done.stdout, re.MULTILINE)
    text = (tmp_path / "page.html").read_text()
    assert "spatial: pick up the &lt;bowl&gt;" in text
    assert "libero.json: seed" in text

    refused = program.run("openpi/evaluate:show", "page.html", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "show: error: page.html is no JSON" in refused.stderr
