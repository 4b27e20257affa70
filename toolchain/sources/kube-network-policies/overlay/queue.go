// Package expr takes the place of expr/queue.go in google/nftables.
//
// The original writes nftables' own expression `queue`, which a kernel without CONFIG_NFT_QUEUE
// refuses ("no such file or directory"). Containers and small virtual machines often run such a
// kernel. The target NFQUEUE of iptables does the same, and nftables takes it through
// CONFIG_NFT_COMPAT, which every iptables-nft needs.
package expr

import (
	"errors"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// QueueFlag has equal values in nftables and in xt_NFQUEUE.
type QueueFlag uint16

const (
	QueueFlagBypass QueueFlag = unix.NFT_QUEUE_FLAG_BYPASS
	QueueFlagFanout QueueFlag = unix.NFT_QUEUE_FLAG_CPU_FANOUT
	QueueFlagMask   QueueFlag = unix.NFT_QUEUE_FLAG_MASK
)

// Queue hands packets to the programs that listen on `Total` queues from `Num` on.
type Queue struct {
	Num   uint16
	Total uint16
	Flag  QueueFlag
}

// target is struct xt_NFQ_info_v3 of linux/netfilter/xt_NFQUEUE.h: three numbers of 16 bits, aligned
// to 8 bytes.
func (e *Queue) target() *Target {
	info := make(xt.Unknown, 0, 8)
	for _, number := range []uint16{e.Num, max(e.Total, 1), uint16(e.Flag), 0} {
		info = append(info, binaryutil.NativeEndian.PutUint16(number)...)
	}
	return &Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}

func (e *Queue) marshal(fam byte) ([]byte, error) { return e.target().marshal(fam) }

func (e *Queue) marshalData(fam byte) ([]byte, error) { return e.target().marshalData(fam) }

func (e *Queue) unmarshal(byte, []byte) error {
	return errors.New("rules with the expression `queue` are not read")
}
