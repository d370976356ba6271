"""The retention engine: policy, catalogue, planning and execution. It knows no Dagster."""
