// Packets over an interface, by protocol, with bitfields of the packet.
package trap

type packet struct {
	protocol uint16
	summed   uint8
}

var packets map[packet]uint64
var bytes map[string]stat

//ktrap:pre loopback_xmit
func transmit(skb *sk_buff, dev *net_device) {
	p := skb.protocol
	packets[packet{p<<8 | p>>8, skb.ip_summed}]++
	bytes[dev.name].add(skb.len)
}
