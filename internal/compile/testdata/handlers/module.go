// Packets in a module's function, whose parameters need no types: the first is a
// packet.
package trap

var lengths map[string]hist

//ktrap:pre dummy:dummy_xmit
func transmit() {
	skb := cast[sk_buff](arg(0))
	lengths[skb.dev.name].add(skb.len)
}
