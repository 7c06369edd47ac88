// A module's function by its own parameters: types that the module describes.
package trap

//ktrap:pre dummy:dummy_xmit
func transmit(skb *sk_buff, dev *net_device) {
	printf("%d bytes over %s", skb.len, dev.name)
}
