package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A refused connection is tried again after this time; a client that did not wait would burn the plan on one failure.
const backoff = 20 * time.Millisecond

// client is one connection with at most one order under way.
type client struct {
	o      *options
	ids    *lineFile
	log    *lineFile
	tally  *tally
	start  time.Time
	random *rand.Rand
	conn   net.Conn
	in     *bufio.Reader
	head   []byte
	out    []byte
	body   []byte
}

func newClient(o *options, number int, ids, log *lineFile) *client {
	attempt := ""
	if o.attempt {
		attempt = "Order-Attempt: 1\r\n"
	}
	path := o.target.RequestURI()
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: ",
		path, o.target.Host, attempt)
	return &client{
		o:      o,
		ids:    ids,
		log:    log,
		tally:  newTally(),
		random: rand.New(rand.NewPCG(uint64(number), uint64(time.Now().UnixNano()))),
		head:   []byte(head),
	}
}

func (c *client) connect() bool {
	conn, err := net.DialTimeout("tcp", c.o.target.Host, c.o.timeout)
	if err != nil {
		return false
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 2048)
	return true
}

func (c *client) disconnect() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// work takes one order after the other until all are taken or the time is over.
func (c *client) work(start time.Time, next *atomic.Int64) {
	total := c.o.total()
	c.start = start
	end := start.Add(c.o.duration)
	for {
		if c.o.rate == 0 && c.o.requests == 0 && time.Now().After(end) {
			return
		}
		i := next.Add(1) - 1
		if total > 0 && i >= total {
			return
		}
		due := time.Now()
		if c.o.rate > 0 {
			due = start.Add(time.Duration(float64(i) / c.o.rate * float64(time.Second)))
			time.Sleep(time.Until(due))
			if time.Now().After(end.Add(c.o.grace)) {
				c.tally.unsent++
				continue
			}
		}
		c.sendOne(i, due)
	}
}

func (c *client) sendOne(i int64, due time.Time) {
	if c.conn == nil && !c.connect() {
		c.tally.failed("connect", time.Since(due))
		time.Sleep(backoff)
		return
	}
	id := i
	if c.o.retryPct > 0 && i > 0 && c.random.IntN(100) < c.o.retryPct {
		id = c.random.Int64N(i)
	}
	c.write(id)
	called := time.Now()
	c.conn.SetDeadline(called.Add(c.o.timeout))
	if _, err := c.conn.Write(c.out); err != nil {
		c.tally.failed("send", time.Since(due))
		c.record(id, called, 0, false, nil)
		c.disconnect()
		return
	}
	status, replayed, err := c.readAnswer()
	took := time.Since(due)
	if err != nil {
		kind := "read"
		if os.IsTimeout(err) {
			kind = "timeout"
		}
		c.tally.failed(kind, took)
		c.record(id, called, 0, false, nil)
		c.disconnect()
		return
	}
	if c.o.batch > 0 {
		c.tally.answered("batch", took)
		c.tally.results["accepted"] += int64(bytes.Count(c.body, []byte(`"success":true`)))
		return
	}
	c.record(id, called, status, replayed, c.body)
	result := resultOf(status, c.body)
	if result == "accepted" && replayed {
		result = "replayed"
	}
	c.tally.answered(result, took)
	if result != "accepted" {
		return
	}
	c.tally.acceptedAt(time.Since(c.start))
	if c.ids != nil {
		c.ids.note(fmt.Sprintf("o-%s-%d", c.o.run, id))
	}
}

// write makes the request of an order, or of a batch of them.
func (c *client) write(id int64) {
	c.body = c.body[:0]
	if c.o.batch == 0 {
		c.body = c.appendOrder(c.body, id)
	} else {
		c.body = append(c.body, `{"items":[`...)
		for n := range int64(c.o.batch) {
			if n > 0 {
				c.body = append(c.body, ',')
			}
			c.body = c.appendOrder(c.body, id*int64(c.o.batch)+n)
		}
		c.body = append(c.body, "]}"...)
	}
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(c.body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, c.body...)
}

// appendOrder adds an order. SKU and buyer follow from its number, so that a repetition is the same order.
func (c *client) appendOrder(to []byte, id int64) []byte {
	return fmt.Appendf(to, `{"SKU":"SKU_%d","UserID":"u-%s-%d","OrderID":"o-%s-%d","Amount":1}`,
		c.skuOf(id), c.o.run, id, c.o.run, id)
}

// skuOf is the SKU of an order.
func (c *client) skuOf(id int64) uint64 {
	return mix(uint64(id))%uint64(c.o.skus) + 1
}

// record writes what was sent and heard, for a check of the history; status 0 = no answer.
func (c *client) record(id int64, called time.Time, status int, replayed bool, body []byte) {
	if c.log == nil {
		return
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	c.log.note(fmt.Sprintf(
		`{"orderId":"o-%s-%d","userId":"u-%s-%d","sku":"SKU_%d","calledMs":%g,"returnedMs":%g,"status":%d,"replayed":%t,"body":%s}`,
		c.o.run, id, c.o.run, id, c.skuOf(id), ms(called.Sub(c.start)), ms(time.Since(c.start)), status, replayed, body))
}

// mix spreads successive numbers (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// readAnswer reads one answer into body; it returns the status, and whether the answer is that of an earlier request.
func (c *client) readAnswer() (status int, replayed bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 {
		return 0, false, fmt.Errorf("status line %q", line)
	}
	status, err = strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, false, err
	}
	length, closes := -1, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, false, err
			}
		case bytes.EqualFold(name, []byte("idempotency-replayed")):
			replayed = true
		case bytes.EqualFold(name, []byte("connection")):
			closes = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	if length < 0 {
		return 0, false, fmt.Errorf("an answer without Content-Length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err = io.ReadFull(c.in, c.body); err == nil && closes {
		c.disconnect()
	}
	return status, replayed, err
}

// resultOf names what an answer says: accepted, or the status and the reason.
func resultOf(status int, body []byte) string {
	if status == 200 && bytes.Contains(body, []byte(`"success":true`)) {
		return "accepted"
	}
	reason := between(body, `"code":"`)
	if reason == "" {
		reason = between(body, `"message":"`)
	}
	return fmt.Sprintf("%d %s", status, reason)
}

// between returns the letters after a mark: a number in a message would make each its own reason.
func between(body []byte, mark string) string {
	_, rest, found := bytes.Cut(body, []byte(mark))
	if !found {
		return ""
	}
	end := bytes.IndexAny(rest, `",:(`)
	if end < 0 {
		end = len(rest)
	}
	return string(bytes.TrimSpace(rest[:end]))
}

// lineFile collects lines of all clients.
type lineFile struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
}

// createLineFile returns nil without a name.
func createLineFile(name string) *lineFile {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	return &lineFile{file: file, out: bufio.NewWriter(file)}
}

func (f *lineFile) note(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out.WriteString(line)
	f.out.WriteByte('\n')
}

func (f *lineFile) close() {
	if f == nil {
		return
	}
	if err := f.out.Flush(); err != nil {
		panic(err)
	}
	f.file.Close()
}
