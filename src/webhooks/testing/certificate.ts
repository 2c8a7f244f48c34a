// A certificate of hooks.example that vouches for itself, and its key: for tests, good until 2126, worth nothing.
// Made by: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
//   -subj /CN=hooks.example -addext subjectAltName=DNS:hooks.example

export const NAME = "hooks.example";
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBojCCAUegAwIBAgIUURqCB1UFBkT0e4EP4gAQtSojvUAwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNaG9va3MuZXhhbXBsZTAgFw0yNjExMjExMzAyMDBaGA8yMTI2
MTAyODEzMDIwMFowGDEWMBQGA1UEAwwNaG9va3MuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABC4/7W082IstoswfVWzkfNMfsCs/oL6vE57iSq0Zc5ya
6fVukKYaB6UImPCOCgg6FdY2zfFU7CsTWT/eRBRB2jCjbTBrMB0GA1UdDgQWBBSF
CsDW3mPWUdK/r9lf+/cAy3iTsTAfBgNVHSMEGDAWgBSFCsDW3mPWUdK/r9lf+/cA
y3iTsTAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDWhvb2tzLmV4YW1wbGUw
CgYIKoZIzj0EAwIDSQAwRgIhALS0KbphrR4LHfhJdzyvah/EXgwBytY5AdFs5yKR
orXZAiEAnBMGHn/jVmTWAAco/ipoFYg4UwMZ4xlApi8agtW+mL0=
-----END CERTIFICATE-----
`;
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgx0LY0ORfeJibzcnB
fBYQ7AQFpc2mn2iFRfnX+LtO4iWhRANCAAQuP+1tPNiLLaLMH1Vs5HzTH7ArP6C+
rxOe4kqtGXOcmun1bpCmGgelCJjwjgoIOhXWNs3xVOwrE1k/3kQUQdow
-----END PRIVATE KEY-----
`;
