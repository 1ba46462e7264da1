// Go's httputil.ReverseProxy before one instance, as `net/http` users would write it: HTTP on one port, HTTPS with HTTP/2 on another,
// TLS with the instance's name checked and kept connections behind. It does what the other proxies of the bench do: the same access log,
// buffered and written each second, and the same headers to the app and the client.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// entry is one line of the access log: the fields that pilot asks Envoy for.
type entry struct {
	Time          string `json:"time"`
	RequestID     string `json:"request_id"`
	Client        string `json:"client"`
	ForwardedFor  string `json:"forwarded_for,omitempty"`
	Method        string `json:"method"`
	Scheme        string `json:"scheme,omitempty"`
	Host          string `json:"host"`
	Path          string `json:"path"`
	Protocol      string `json:"protocol"`
	TLS           string `json:"tls,omitempty"`
	UserAgent     string `json:"user_agent,omitempty"`
	Status        int    `json:"status"`
	Details       string `json:"details,omitempty"`
	BytesReceived int64  `json:"bytes_received"`
	BytesSent     int64  `json:"bytes_sent"`
	Duration      int64  `json:"duration_ms"`
	Attempts      int    `json:"attempts"`
	Route         string `json:"route"`
	App           string `json:"app"`
	Instance      string `json:"instance"`
	InstanceIndex string `json:"instance_index"`
	Upstream      string `json:"upstream,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
	Tracestate    string `json:"tracestate,omitempty"`
	B3            string `json:"b3,omitempty"`
	B3TraceID     string `json:"b3_trace_id,omitempty"`
	B3SpanID      string `json:"b3_span_id,omitempty"`
}

// accessLog writes lines to a file, at the latest a second later.
type accessLog struct {
	mutex sync.Mutex
	out   *bufio.Writer
}

func (l *accessLog) write(e *entry) {
	line, err := json.Marshal(e)
	if err != nil {
		log.Fatal(err)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.out.Write(line)
	l.out.WriteByte('\n')
}

func (l *accessLog) flush() {
	for range time.Tick(time.Second) {
		l.mutex.Lock()
		l.out.Flush()
		l.mutex.Unlock()
	}
}

// counted notes what an answer was.
type counted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *counted) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *counted) Write(bytes []byte) (int, error) {
	w.bytes += int64(len(bytes))
	return w.ResponseWriter.Write(bytes)
}

func (w *counted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

const app = "app-guid"

// begin takes away what only a router may set, and begins a trace where there is none.
func begin(h http.Header, random []byte) {
	for name := range h {
		if strings.HasPrefix(name, "X-Envoy-") || strings.HasPrefix(name, "X-Mesh-") || strings.HasPrefix(name, "X-Cf-") {
			delete(h, name)
		}
	}
	if h.Get("B3") != "" || h.Get("X-B3-Traceid") != "" {
		return
	}
	trace, span := hex.EncodeToString(random[:16]), hex.EncodeToString(random[16:24])
	h["X-B3-Traceid"], h["X-B3-Spanid"], h["B3"] = []string{trace}, []string{span}, []string{trace + "-" + span}
	if h.Get("Traceparent") == "" {
		h["Traceparent"] = []string{"00-" + trace + "-" + span + "-01"}
	}
}

func main() {
	plain := flag.String("http", "", "address")
	secure := flag.String("https", "", "address")
	target := flag.String("target", "", "host:port of the instance")
	name := flag.String("name", "", "guid of the instance")
	ca := flag.String("ca", "", "file with the CA of instances")
	certificate := flag.String("cert", "", "certificate shown to instances")
	key := flag.String("key", "", "its key")
	serverCertificate := flag.String("server-cert", "", "certificate shown to clients")
	serverKey := flag.String("server-key", "", "its key")
	logFile := flag.String("log", "", "file of the access log")
	flag.Parse()

	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.OpenFile(*logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	lines := &accessLog{out: bufio.NewWriterSize(file, 65536)}
	go lines.flush()

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "https", *target
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header.Set("X-Cf-Applicationid", app)
			r.Out.Header.Set("X-Cf-Instanceid", *name)
			r.Out.Header.Set("X-Cf-Instanceindex", "0")
		},
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: *name},
			MaxIdleConns:        1024,
			MaxIdleConnsPerHost: 1024,
			DisableCompression:  true,
		},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		random := make([]byte, 40)
		rand.Read(random)
		id := fmt.Sprintf("%x-%x-%x-%x-%x", random[24:28], random[28:30], random[30:32], random[32:34], random[34:40])
		begin(r.Header, random)
		r.Header["X-Vcap-Request-Id"] = []string{id}
		r.Header["X-Request-Start"] = []string{strconv.FormatInt(start.UnixMilli(), 10)}
		w.Header()["X-Vcap-Request-Id"] = []string{id}
		answer := &counted{ResponseWriter: w, status: http.StatusOK}
		var upstream string
		connected := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { upstream = c.Conn.RemoteAddr().String() }}
		proxy.ServeHTTP(answer, r.WithContext(httptrace.WithClientTrace(r.Context(), connected)))
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		line := &entry{
			Time: start.UTC().Format("2006-01-02T15:04:05.000Z"), RequestID: id, Client: client, ForwardedFor: r.Header.Get("X-Forwarded-For"), Method: r.Method,
			Scheme: "http", Host: r.Host, Path: r.URL.Path, Protocol: r.Proto, UserAgent: r.UserAgent(), Status: answer.status, Details: "via_upstream",
			BytesReceived: max(r.ContentLength, 0), BytesSent: answer.bytes, Duration: time.Since(start).Milliseconds(), Attempts: 1, Route: "app", App: app, Instance: *name,
			InstanceIndex: "0", Upstream: upstream, Traceparent: r.Header.Get("Traceparent"), Tracestate: r.Header.Get("Tracestate"), B3: r.Header.Get("B3"),
			B3TraceID: r.Header.Get("X-B3-Traceid"), B3SpanID: r.Header.Get("X-B3-Spanid"),
		}
		if r.TLS != nil {
			line.Scheme, line.TLS = "https", tls.VersionName(r.TLS.Version)
		}
		lines.write(line)
	})
	go func() { log.Fatal(http.ListenAndServe(*plain, handler)) }()
	log.Fatal(http.ListenAndServeTLS(*secure, *serverCertificate, *serverKey, handler))
}
