// Pulumi's Kubernetes provider. The main package of the provider's own module embeds files that
// only its release process writes; the two that a running provider needs are in the module under
// another name, and the build copies them next to this file (toolchain/assemble.py). They
// are 8 MB, so they are not kept here, and this package compiles in the assembled copy only.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// The schema that `pulumi package get-schema` and the provider's own defaulting read.
//
//go:embed schema.json
var schema []byte

// What converters from Terraform ask the provider for.
//
//go:embed terraform-mapping.json
var mapping []byte

func main() { provider.Serve("kubernetes", "4.25.0", schema, mapping) }
