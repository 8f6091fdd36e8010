"""Writes what Kubernetes is told twice: rules and alerts as a PrometheusRule, the list of dashboards as ConfigMaps.

    .venv/bin/python ops/kubernetes/generate.py

Kustomize can neither put a file's contents into a resource nor list a folder. The sources stay `ops/prometheus/rules`
and `ops/grafana/dashboards`; a test says when this must be run again.
"""

from pathlib import Path
from typing import Any

import yaml

OPS = Path(__file__).parents[1]
RULES = OPS / "kubernetes" / "base" / "rules.yaml"
DASHBOARDS = OPS / "grafana" / "kustomization.yaml"
HEAD = "# Written by ops/kubernetes/generate.py from {}; change that, and run it again.\n"


def prometheus_rule() -> str:
    """Every group of `ops/prometheus/rules`, in the order of the files' names."""
    groups = [
        group
        for path in sorted((OPS / "prometheus" / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "yidan"},
        "spec": {"groups": groups},
    }
    return HEAD.format("ops/prometheus/rules") + _written(rule)


def dashboards() -> str:
    """A ConfigMap a dashboard, with the label that Grafana's sidecar looks for."""
    names = sorted(path.stem for path in (OPS / "grafana" / "dashboards").glob("*.json"))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "generatorOptions": {
            "disableNameSuffixHash": True,
            "labels": {"grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "一站式结算"},
        },
        "configMapGenerator": [
            {"name": f"yidan-dashboard-{name}", "files": [f"dashboards/{name}.json"]} for name in names
        ],
    }
    return HEAD.format("ops/grafana/dashboards") + _written(kustomization)


def _written(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=160)
    return text


if __name__ == "__main__":
    RULES.write_text(prometheus_rule(), encoding="utf-8")
    DASHBOARDS.write_text(dashboards(), encoding="utf-8")
