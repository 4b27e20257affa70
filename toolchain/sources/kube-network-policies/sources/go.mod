// Pins, with go.sum, the module that the build assembles into ../nftables: Go does not check the
// content of a module that is replaced by a folder, so it is fetched and verified through this one.
module rayline/sandbox/tools/kube-network-policies/sources

go 1.26.0

require github.com/google/nftables v0.3.0
