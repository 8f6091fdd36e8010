"""What custom resources may say: the fields that we use, as their operators document them, and no others.

A cluster drops a field that it does not know without a word, so a typing error would be a rule that nobody keeps.
Sources: the API reference of the Prometheus operator (`monitoring.coreos.com/v1`, 0.80) and KEDA's documentation
(`keda.sh/v1alpha1`, 2.17: ScaledObject, TriggerAuthentication, the Kafka trigger). What is missing is added after a
look at those.
"""

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "minLength": 1}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TRUTH: Final[Schema] = {"type": "boolean"}
NAMES: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION: Final[Schema] = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$"}
YES_OR_NO: Final[Schema] = {"enum": ["true", "false"]}
NUMBER: Final[Schema] = {"type": "string", "pattern": "^[0-9]+$"}


def only(required: str = "", **fields: Schema) -> Schema:
    """An object of these fields and no others."""
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def some(schema: Schema) -> Schema:
    """A list with something in it."""
    return {"type": "array", "items": schema, "minItems": 1}


def resource(version: str, kind: str, spec: Schema) -> Schema:
    """A whole custom resource."""
    metadata = only("name", name=TEXT, namespace=TEXT, labels=NAMES, annotations=NAMES)
    told = {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": metadata, "spec": spec}
    return only("apiVersion kind metadata spec", **told)


RELABELING: Final = only(
    "action",
    action={"enum": ["replace", "keep", "drop", "labeldrop", "labelkeep", "labelmap"]},
    sourceLabels=some(TEXT),
    targetLabel=TEXT,
    replacement=TEXT,
    regex=TEXT,
    separator=TEXT,
)

SERVICE_MONITOR: Final = resource(
    "monitoring.coreos.com/v1",
    "ServiceMonitor",
    only(
        "selector endpoints",
        selector=only("matchLabels", matchLabels=NAMES),
        jobLabel=TEXT,
        endpoints=some(
            only(
                "port",
                port=TEXT,
                path={"type": "string", "pattern": "^/"},
                interval=DURATION,
                scrapeTimeout=DURATION,
                honorLabels=TRUTH,
                relabelings=some(RELABELING),
                metricRelabelings=some(RELABELING),
            )
        ),
    ),
)

RULE: Final[Schema] = {
    "oneOf": [
        only("record expr", record=TEXT, expr=TEXT, labels=NAMES),
        only(
            "alert expr",
            **{"for": DURATION},
            alert=TEXT,
            expr=TEXT,
            keep_firing_for=DURATION,
            labels=NAMES,
            annotations=NAMES,
        ),
    ]
}

PROMETHEUS_RULE: Final = resource(
    "monitoring.coreos.com/v1",
    "PrometheusRule",
    only("groups", groups=some(only("name rules", name=TEXT, interval=DURATION, limit=COUNT, rules=some(RULE)))),
)

SCALING: Final = only(
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    selectPolicy={"enum": ["Max", "Min", "Disabled"]},
    policies=some(
        only(
            "type value periodSeconds",
            type={"enum": ["Pods", "Percent"]},
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)

KAFKA_TRIGGER: Final = only(
    "bootstrapServers consumerGroup topic lagThreshold",
    bootstrapServers={"type": "string", "pattern": "^[^,:]+:[0-9]+(,[^,:]+:[0-9]+)*$"},
    consumerGroup=TEXT,
    topic=TEXT,
    lagThreshold=NUMBER,
    activationLagThreshold=NUMBER,
    offsetResetPolicy={"enum": ["latest", "earliest"]},
    allowIdleConsumers=YES_OR_NO,
    scaleToZeroOnInvalidOffset=YES_OR_NO,
    excludePersistentLag=YES_OR_NO,
    limitToPartitionsWithLag=YES_OR_NO,
    ensureEvenDistributionOfPartitions=YES_OR_NO,
    partitionLimitation=TEXT,
    version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    sasl={"enum": ["plaintext", "scram_sha256", "scram_sha512", "gssapi", "oauthbearer", "none"]},
    tls={"enum": ["enable", "disable"]},
    unsafeSsl={"const": "false"},
)
"""KEDA itself takes any text here: a field that it does not know is a setting that nobody reads."""

SCALED_OBJECT: Final = resource(
    "keda.sh/v1alpha1",
    "ScaledObject",
    only(
        "scaleTargetRef triggers",
        scaleTargetRef=only("name", apiVersion=TEXT, kind=TEXT, name=TEXT, envSourceContainerName=TEXT),
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        idleReplicaCount=COUNT,
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        initialCooldownPeriod=COUNT,
        fallback=only(
            "failureThreshold replicas",
            failureThreshold=COUNT,
            replicas=COUNT,
            behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
        ),
        advanced=only(
            restoreToOriginalReplicaCount=TRUTH,
            horizontalPodAutoscalerConfig=only(name=TEXT, behavior=only(scaleUp=SCALING, scaleDown=SCALING)),
        ),
        triggers=some(
            only(
                "type metadata",
                type={"const": "kafka"},
                name=TEXT,
                metricType={"enum": ["AverageValue", "Value"]},
                useCachedMetrics=TRUTH,
                authenticationRef=only("name", name=TEXT, kind={"enum": ["TriggerAuthentication"]}),
                metadata=KAFKA_TRIGGER,
            )
        ),
    ),
)

PARAMETER: Final = only(
    "parameter name key",
    parameter={"enum": ["sasl", "username", "password", "tls", "ca", "cert", "key", "keyPassword"]},
    name=TEXT,
    key=TEXT,
)

TRIGGER_AUTHENTICATION: Final = resource(
    "keda.sh/v1alpha1",
    "TriggerAuthentication",
    only("secretTargetRef", secretTargetRef=some(PARAMETER), configMapTargetRef=some(PARAMETER)),
)

SCHEMAS: Final = {
    "ServiceMonitor": SERVICE_MONITOR,
    "PrometheusRule": PROMETHEUS_RULE,
    "ScaledObject": SCALED_OBJECT,
    "TriggerAuthentication": TRIGGER_AUTHENTICATION,
}
