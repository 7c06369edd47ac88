//go:build live

package ktrap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ktrap"
)

// What this program does instead of testing, by the environment.
const (
	forbidBPF = "KTRAP_TEST_FORBID_BPF" // an errno: run the arguments, with bpf() failing so
	failOpens = "KTRAP_TEST_FAIL_OPENS" // open files in a folder, which fails
	hold      = "KTRAP_TEST_HOLD"       // arm a tracefs event without a guard, say so and wait
)

func TestMain(m *testing.M) {
	if errno := os.Getenv(forbidBPF); errno != "" {
		os.Unsetenv(forbidBPF)
		fmt.Fprintln(os.Stderr, runWithoutBPF(errno, os.Args[1:]))
		os.Exit(1)
	}
	if dir := os.Getenv(failOpens); dir != "" {
		if err := openInVain(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(hold) != "" {
		fmt.Fprintln(os.Stderr, holdEvent())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runWithoutBPF becomes another program, for which a filter of system calls
// answers bpf().
func runWithoutBPF(errno string, argv []string) error {
	n, err := strconv.Atoi(errno)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(n)},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return syscall.Exec(path, argv, os.Environ())
}

func holdEvent() error {
	ctx := context.Background()
	s, err := ktrap.Config{Mechanism: "event"}.Open(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Register(ctx, &ktrap.Probe{Symbol: umask}); err != nil {
		return err
	}
	fmt.Println("armed")
	select {}
}

// withoutBPF is a command for which bpf() fails with errno.
func withoutBPF(t *testing.T, errno unix.Errno, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", argv...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", forbidBPF, errno))
	return cmd
}

// needBPF are tests that can't hold by tracefs alone.
var needBPF = []string{
	"TestAStackIsSymbolised", "TestAScript.*",
	"TestEveryHitOfABurstIsDeliveredOrCountedAsLost/by_kprobe",
	"TestADisabledProbeIsNotHitAndAnEnabledOneIsAgain", // its event is still there, disabled
	// Handlers and expressions run as programs.
	"TestAModulesFunctionHasItsOwnTypesInAHandler", "TestAProbesHandlerMayBeASourceWhoseMapsAreRead", "TestASourcesMistakeIsToldByRegister", "TestAFilterAsAHandlerLetsHitsPass",
	"TestACountOfAPatternIsThatOfEachPlace", "TestAOneLineCountsWhatWasCalled", "TestAGraduatedTraceSendsAsManyEvents",
	"TestAnExpressionLetsHitsPassAndIsShown", "TestWhatAFullMapHasNoRoomForIsCountedExactly", "TestTheCorpusFindsWhatWasDone", "TestTheExamplesFindWhatTheySay",
	"TestLatencyTimesEveryCall", "TestAReturnWhoseEntryWasNotSeenIsUnpaired", "TestNoReturnIsPairedWithAnotherCallsEntry",
	"TestWhatACallLeftWhileItsReturnWasDisabledIsForgotten",
	"TestAFailingOpenShowsTheBranchThatDecidedIt", "TestAWayThroughALargeFunctionShowsTheBranchThatDecidedIt", "TestAnErrorIsFollowedToWhereItBegan", "TestEveryWayUnderLoadIsAWayOfTheFunction",
	"TestAPostHandlerIsCalledBesidesThePreHandler", "TestWhatAnInstructionLeavesIsWhatTheNextOneFinds", "TestWhatIsShownIsEvaluatedOnBothSides", "TestManyPlacesByOneEventAreToldApart", "TestWhatEntersABlockLeavesItUnderLoad", "TestAJumpIsTakenAsOftenAsFollowsFromTheBlocks", "TestCoverageOnceAgreesWithCounts", "TestNoPostHandlerIsGivenAnotherExecutionsRegisters",
	"TestACoveredFunctionsCountsAddUp",
	"TestAPostHandlerInTheKernelIsToldWhatOneInTheProgramIs", "TestAPostHandlersPlaceIsItsInstructions", "TestAPostHandlerThatNobodyCanCallIsRefusedBeforehand",
}

// elsewhere are tests that prove no more here.
var elsewhere = []string{
	"TestTracefsAloneHoldsTheSame", "TestTheTableOfRoomsIsTheCode",
	"TestCtrlCGivesThePromptBackAndTheRestIsRemovedBehindIt", "TestCtrlCGivesThePromptBackWhileProbesAreAttached", "TestListTellsWhoRemovesWhatASessionLeft", "TestASessionInTheBackgroundIsWaitedFor",
	"TestAProbeForOneHitHasOneAndIsLetGoOf", "TestAHandlerIsCalledOnceAndOnceMoreWhenEnabled",
	"TestEveryHandlerIsGoWithItsTypesBesideIt", "TestTypesWrittenAnewAreTheSame", "TestTheExamplesAreGoAndHandlers",
	"TestAKilledTraceByTracefsLeavesNothing", "TestALeftOverEventIsRemovedByTheNextSession",
	"TestTheTablesInMemoryAreThoseOfTheImage", "TestTheKernelAgreesWithEveryVerdict", "TestEveryInstructionOfAFunctionIsProbedOrRefusedWithAReason",
	"TestProgramsAreNeverCalledByWhatTheyRunThemselves", "TestAProbeWithinProgramsIsRefusedBesideATrampoline", "TestRandomPlacesAreArmedUnderLoadAndNothingIsLeft", "TestPostHandlersSeeWhatAKernelModulesSee",
	"TestAnEventsMissesAreKnown", "TestWithoutBPFTraceSaysWhatItDoesInstead",
}

func TestTracefsAloneHoldsTheSame(t *testing.T) {
	skip := "^" + strings.Join(slices.Concat(needBPF, elsewhere), "$|^") + "$"
	skip = strings.ReplaceAll(skip, "/", "$/^")
	cmd := withoutBPF(t, unix.ENOSYS, "/proc/self/exe", "-test.v", "-test.timeout=8m", "-test.skip="+skip)
	out, err := cmd.CombinedOutput()
	passed := bytes.Count(out, []byte("\n--- PASS: "))
	if err != nil || passed < 20 {
		t.Errorf("%v, %d tests passed:\n%s", err, passed, out)
	}
}

func TestWithoutBPFTraceSaysWhatItDoesInstead(t *testing.T) {
	for errno, why := range map[unix.Errno]string{
		unix.ENOSYS: "tracefs alone, without BPF: this kernel has no bpf()",
		unix.EPERM:  "tracefs alone, without BPF: a seccomp filter forbids bpf()",
	} {
		out, err := withoutBPF(t, errno, "ktrap", "trace", umask, "-n").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "kprobe event, ") || !strings.Contains(string(out), why) {
			t.Errorf("%v: %s", err, out)
		}
	}
	for place, why := range map[string]string{
		"--stack":            "without BPF no stack can be recorded",
		"--mechanism=fentry": "fentry can't serve this place without BPF",
	} {
		out, err := withoutBPF(t, unix.ENOSYS, "ktrap", "trace", umask, place).CombinedOutput()
		if err == nil || !strings.Contains(string(out), why) {
			t.Errorf("%s: %v: %s", place, err, out)
		}
	}
}

// TestATextBelongsToItsOwnHit is about texts at entries and returns, which
// tracefs records apart from the words of a hit.
func TestATextBelongsToItsOwnHit(t *testing.T) {
	const shown = 255 // bytes of a text
	s := open(t)
	pid := uint32(os.Getpid())
	var want []string
	expect := func(text string) {
		for _, value := range []string{"s", "retval"} {
			want = append(want, fmt.Sprintf("%s=%q", value, text[:min(len(text), shown)]))
		}
	}
	events := during(t, s, func() {
		for i := range 200 {
			name := fmt.Sprintf("/nowhere/%d/%s", i, strings.Repeat("x", i))
			if i%50 == 49 {
				name += strings.Repeat("y", 4090-len(name)) // with anything else, more than a page
			}
			unix.Mount(name, "/nowhere", "no file system", 0, "")
			expect("no file system")
			expect(name)
		}
	}, &ktrap.Probe{Symbol: "strndup_user", PID: pid}, &ktrap.Probe{Symbol: "strndup_user", Return: true, PID: pid})
	var got []string
	for i, ev := range events {
		v, ok := ev.Retval()
		if !ok {
			v = ev.Args()[0]
		}
		text := strings.TrimSuffix(v.String(), "…")
		if strings.HasSuffix(text, "(unreadable)") && i < len(want) && strings.Contains(want[i], "yyy") {
			text = want[i]
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestWhatFindsNoRoomIsCounted reads nothing until the kernel's side is full.
func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	before := armed(t)
	s, err := ktrap.Config{Memory: 1}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid()), Regs: true})[0]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const calls = 100_000
	callUmask(calls)
	must(t, s.Close())
	l := ledger(t, r)
	if l.Hits != calls || l.Full == 0 || l.Complete {
		t.Errorf("%d calls: %+v", calls, l)
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Error(diff)
	}
}

// TestAnEventsMissesAreKnown hits a function inside of programs: in that of a
// kprobe, where the kernel misses it, and in that of a tracepoint, where it lets
// no other program run.
func TestAnEventsMissesAreKnown(t *testing.T) {
	const helper = "bpf_get_current_comm"
	before := armed(t)
	s, err := ktrap.Config{Mechanism: "event"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	regs := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())}, &ktrap.Probe{Symbol: helper})
	const calls = 1000
	callUmask(calls)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.TracePoint, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -16), asm.Mov.Imm(asm.R2, 16),
		asm.FnGetCurrentComm.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	point, err := link.Tracepoint("syscalls", "sys_enter_getpgid", program, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range calls {
		unix.Getpgid(0)
	}
	point.Close()
	must(t, s.Close())
	if l := ledger(t, regs[0]); !l.Complete || l.Hits != calls {
		t.Errorf("%+v, want %d hits", l, calls)
	}
	// 7.3 counts both as missed.
	if l := ledger(t, regs[1]); !l.MissesKnown || l.Missed < calls || l.Missed+l.Recursion != 2*calls {
		t.Errorf("%+v, want %d lost, half of them or all as missed", l, 2*calls)
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Error(diff)
	}
}

// leftOver lists what ktrap has in tracefs.
func leftOver(t *testing.T) string {
	t.Helper()
	text := armed(t)
	buffers, err := os.ReadDir("/sys/kernel/tracing/instances")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buffers {
		text += b.Name() + "\n"
	}
	return text
}

func TestAKilledTraceByTracefsLeavesNothing(t *testing.T) {
	before := leftOver(t)
	times := 6
	if os.Getenv("KTRAP_DEEP") != "" {
		times = 50
	}
	var slowest time.Duration
	places := []string{"vfs_read", "vfs_read%return", "unix_stream_connect", "vfs_write"}
	for i := range 2 * times {
		cmd := exec.Command("ktrap", append([]string{"trace", "-o", "/dev/null", "--mechanism", "event"}, places...)...)
		if i%2 == 0 {
			cmd = withoutBPF(t, unix.ENOSYS, append([]string{"ktrap", "trace", "-o", "/dev/null"}, places...)...)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(1500 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait() // the kernel itself takes a while to let go of programs
		dead := time.Now()
		diff := "never looked"
		for diff != "" {
			if diff = cmp.Diff(before, leftOver(t)); diff != "" && time.Since(dead) > 10*time.Second {
				t.Fatalf("the %d. time, -before +after:\n%s", i, diff)
			}
			time.Sleep(5 * time.Millisecond)
		}
		slowest = max(slowest, time.Since(dead))
	}
	t.Logf("killed %d times; the last thing was gone %v after the process at most", 2*times, slowest)
}

func TestALeftOverEventIsRemovedByTheNextSession(t *testing.T) {
	before := leftOver(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), hold+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("armed"))); err != nil {
		t.Fatal(err)
	}
	other := leftOver(t)
	if session(t); leftOver(t) != other {
		t.Errorf("another session removed what is in use:\n%s", cmp.Diff(other, leftOver(t)))
	}
	cmd.Process.Kill()
	cmd.Wait()
	if leftOver(t) == before {
		t.Error("nothing was left over")
	}
	session(t)
	if diff := cmp.Diff(before, leftOver(t)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

// session opens and closes a session that uses a tracefs event.
func session(t *testing.T) {
	t.Helper()
	s, err := ktrap.Config{Mechanism: "event"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	register(t, s, &ktrap.Probe{Symbol: "__x64_sys_getpgid"})
	must(t, s.Close())
}
