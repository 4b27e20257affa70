// Pins, with go.sum, the SDK that the build assembles into ../sdk: Go does not check the content of
// a module that is replaced by a folder, so it is fetched and verified through this module.
module rayline/sandbox/tools/pulumi-plugins/sources

go 1.26.6

require github.com/pulumi/pulumi-kubernetes/sdk/v4 v4.25.0
