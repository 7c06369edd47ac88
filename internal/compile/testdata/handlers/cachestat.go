// Pages that enter the page cache, by filesystem. (cachestat of BCC; on 5.10 see
// cachepages.)
package trap

var added map[string]uint64

//ktrap:pre filemap_add_folio
func add(mapping *address_space) { added[str(mapping.host.i_sb.s_type.name)]++ }
