package disasm

func (in Inst) wordsARM64() (Text, bool) { return Text{}, false }
