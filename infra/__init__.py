"""The Pulumi program. Imports no ray and no vllm."""
