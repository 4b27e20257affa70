// Package v2 takes the place of the generated yaml/v2/kinds.go in Pulumi's Kubernetes SDK.
//
// The generated file maps every kind to its typed resource and so compiles all 60 generated API
// packages, a third of the provider's build. The provider needs no more than the registration of
// the resource, and the type token that it is registered under is the same here.
package v2

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource registers one object of a manifest under Pulumi's token for its kind, for
// example kubernetes:apps/v1:Deployment. Pulumi calls the nameless core group core.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	group := apiVersion
	if apiVersion == "v1" {
		group = "core/v1"
	}
	var res apiextensions.CustomResource
	if err := ctx.RegisterResource("kubernetes:"+group+":"+kind, name, props, &res, opts...); err != nil {
		return nil, err
	}
	return &res, nil
}
