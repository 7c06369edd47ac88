package interp

import (
	"fmt"
	"iter"
)

// MapKind is a kind of map, by the kernel's number.
type MapKind uint32

// The kinds that are interpreted.
const (
	Hash        MapKind = 1
	Array       MapKind = 2
	PerCPUHash  MapKind = 5
	PerCPUArray MapKind = 6
	StackTrace  MapKind = 7
	LRUHash     MapKind = 9
	LRUPerCPU   MapKind = 10
	Ring        MapKind = 27
)

// MaxCPUs is how many CPUs a per-CPU map has values for.
const MaxCPUs = 4

// Map is a map with its contents. It outlives the runs that change it.
type Map struct {
	Kind       MapKind
	KeySize    int
	ValueSize  int
	MaxEntries int // of a Ring: its size in bytes
	ReadOnly   bool

	base     uint64
	elements []*element // in the order of their creation, or by index
	byKey    map[string]*element
	records  [][]byte
	used     int // bytes of the ring
}

// element is a key's value, on each CPU where the kind asks for it.
type element struct {
	key    string
	values []*memory
}

// mapStride is how far apart maps lie.
const mapStride = 1 << 32

func (m *Map) String() string {
	return fmt.Sprintf("a map of kind %d with values of %d bytes", m.Kind, m.ValueSize)
}

func (m *Map) perCPU() bool {
	return m.Kind == PerCPUHash || m.Kind == PerCPUArray || m.Kind == LRUPerCPU
}
func (m *Map) isArray() bool { return m.Kind == Array || m.Kind == PerCPUArray }
func (m *Map) isHash() bool {
	return m.Kind == Hash || m.Kind == PerCPUHash || m.Kind == LRUHash || m.Kind == LRUPerCPU
}

// element is the memory of an Array's element i.
func (m *Map) element(i int) *memory { return m.at(i).values[0] }

// at makes an array's element when it is first used: an array is zeros then.
func (m *Map) at(i int) *element {
	if m.byKey == nil {
		m.byKey = map[string]*element{}
	}
	key := string(le.AppendUint32(nil, uint32(i)))
	e := m.byKey[key]
	if e == nil {
		e = m.create(key)
	}
	return e
}

func (m *Map) create(key string) *element {
	if m.byKey == nil {
		m.byKey = map[string]*element{}
	}
	e := &element{key: key}
	cpus := 1
	if m.perCPU() {
		cpus = MaxCPUs
	}
	for range cpus {
		m.base += uint64(m.ValueSize+15) &^ 7
		e.values = append(e.values, &memory{base: m.base, data: make([]byte, m.ValueSize), what: "a map's value", lock: m.ReadOnly})
	}
	m.byKey[key] = e
	m.elements = append(m.elements, e)
	return e
}

// find is the element of key, or nil.
func (m *Map) find(key []byte) *element {
	if m.isArray() {
		i := le.Uint32(key)
		if uint64(i) >= uint64(m.MaxEntries) {
			return nil
		}
		return m.at(int(i))
	}
	return m.byKey[string(key)]
}

// value is what find finds, as a CPU sees it.
func (m *Map) value(key []byte, cpu uint32) *memory {
	e := m.find(key)
	switch {
	case e == nil:
		return nil
	case m.perCPU():
		return e.values[cpu%MaxCPUs]
	}
	return e.values[0]
}

// Flags of an update, and the numbers of errors.
const (
	updateAny   = 0
	updateNew   = 1 // BPF_NOEXIST
	updateExist = 2 // BPF_EXIST

	errNoEntry = 2
	errTooBig  = 7
	errAgain   = 11
	errFault   = 14
	errExist   = 17
	errInvalid = 22
	errRange   = 34
)

// update stores data under key and returns 0 or an error's number.
func (m *Map) update(key, data []byte, flags uint64, cpu uint32) int {
	if flags > updateExist {
		return errInvalid
	}
	e := m.find(key)
	switch {
	case m.isArray() && e == nil:
		return errTooBig
	case e != nil && flags == updateNew:
		return errExist
	case e == nil && flags == updateExist:
		return errNoEntry
	case e == nil && !m.room():
		return errTooBig
	}
	if e == nil || !m.perCPU() && !m.isArray() {
		e = m.replace(string(key))
	}
	copy(e.values[int(cpu)%len(e.values)].data, data)
	return 0
}

// replace gives key an element of its own: who still holds a pointer to the old
// one sees the old value, as under RCU.
func (m *Map) replace(key string) *element {
	m.remove(key)
	return m.create(key)
}

// room makes sure that one more key fits; an LRU map forgets its oldest.
func (m *Map) room() bool {
	if len(m.byKey) < m.MaxEntries {
		return true
	}
	if (m.Kind == LRUHash || m.Kind == LRUPerCPU) && len(m.elements) > 0 {
		m.remove(m.elements[0].key)
		return true
	}
	return false
}

func (m *Map) remove(key string) bool {
	e, ok := m.byKey[key]
	if !ok {
		return false
	}
	delete(m.byKey, key)
	for i := range m.elements {
		if m.elements[i] == e {
			m.elements = append(m.elements[:i], m.elements[i+1:]...)
			break
		}
	}
	return true
}

// Lookup is key's value on a CPU, shared with the map, or nil.
func (m *Map) Lookup(key []byte, cpu uint32) []byte {
	if len(key) != m.KeySize || m.Kind == Ring {
		return nil
	}
	if mem := m.value(key, cpu); mem != nil {
		return mem.data
	}
	return nil
}

// Update stores a value as user space would.
func (m *Map) Update(key, data []byte, cpu uint32) error {
	if len(key) != m.KeySize || len(data) != m.ValueSize || m.Kind == Ring {
		return fmt.Errorf("update %v: a key of %d and a value of %d bytes", m, len(key), len(data))
	}
	if errno := m.update(key, data, updateAny, cpu); errno != 0 {
		return fmt.Errorf("update %v: error %d", m, errno)
	}
	return nil
}

// All yields the keys and, on a CPU, the values that were ever touched.
func (m *Map) All(cpu uint32) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, data []byte) bool) {
		for _, e := range m.elements {
			if !yield([]byte(e.key), e.values[int(cpu)%len(e.values)].data) {
				return
			}
		}
	}
}

// Records takes the records out of a ring.
func (m *Map) Records() [][]byte {
	taken := m.records
	m.records, m.used = nil, 0
	return taken
}
