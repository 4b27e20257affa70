// Hostpath-provisioner answers the sandbox's storage classes: each claim becomes a folder below
// -root, offered in the access modes that the claim asks for. ReadWriteMany on a folder of the one
// node is what a cephfs volume is to the pods of a real cluster; the provisioner built into
// kube-controller-manager knows ReadWriteOnce only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is what a StorageClass gives as its provisioner.
const Name = "rayline.dev/hostpath"

type provisioner struct {
	root string // the folder that holds one folder per volume, as kubelet sees it too
}

func (p provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	folder := filepath.Join(p.root, options.PVName)
	// World-writable like a fresh cephfs share: the pods that mount it run as uid 1000.
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make %s: %w", folder, err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open %s to every user: %w", folder, err)
	}
	kind := v1.HostPathDirectory
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			VolumeMode:                    options.PVC.Spec.VolumeMode,
			Capacity: v1.ResourceList{
				v1.ResourceStorage: options.PVC.Spec.Resources.Requests[v1.ResourceStorage],
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{
				HostPath: &v1.HostPathVolumeSource{Path: folder, Type: &kind},
			},
		},
	}, controller.ProvisioningFinished, nil
}

func (p provisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	source := volume.Spec.HostPath
	if source == nil || !strings.HasPrefix(source.Path, p.root+"/") {
		return &controller.IgnoredError{Reason: "the volume lies outside " + p.root}
	}
	return os.RemoveAll(filepath.Join(p.root, filepath.Base(source.Path)))
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of an identity that may write volumes")
	root := flag.String("root", "", "folder of the volumes")
	klog.InitFlags(nil)
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatalf("kubeconfig %q: %v", *kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatalf("client: %v", err)
	}
	ctx := context.Background()
	controller.NewProvisionController(ctx, client, Name, provisioner{root: *root},
		controller.LeaderElection(false)).Run(ctx)
}
