/** As much of `XMLHttpRequest` as an upload needs; the test answers it. */

export interface FakeXhr {
  readonly xhr: XMLHttpRequest
  readonly sent: { method: string; url: string; headers: Headers; body: unknown }
  progress(loaded: number, total: number | undefined): void
  answer(status: number, body: string, headers?: Record<string, string>): void
  fail(): void
  readonly isAborted: boolean
}

export function fakeXhr(): FakeXhr {
  const sent = { method: '', url: '', headers: new Headers(), body: undefined as unknown }
  let responseHeaders = ''
  let isAborted = false
  const xhr = {
    status: 0,
    statusText: '',
    response: undefined as Blob | undefined,
    responseType: '',
    upload: {} as { onprogress?: (event: object) => void },
    onload: () => {},
    onerror: () => {},
    onabort: () => {},
    onloadend: () => {},
    open(method: string, url: string) {
      sent.method = method
      sent.url = url
    },
    setRequestHeader: (name: string, value: string) => sent.headers.append(name, value),
    send(body: unknown) {
      sent.body = body
    },
    abort() {
      isAborted = true
      xhr.onabort()
      xhr.onloadend()
    },
    getAllResponseHeaders: () => responseHeaders,
  }
  return {
    xhr: xhr as unknown as XMLHttpRequest,
    sent,
    progress: (loaded, total) => {
      xhr.upload.onprogress?.({ loaded, total: total ?? 0, lengthComputable: total !== undefined })
    },
    answer(status, body, headers = {}) {
      xhr.status = status
      xhr.response = new Blob([body])
      responseHeaders = Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')
      xhr.onload()
      xhr.onloadend()
    },
    fail() {
      xhr.onerror()
      xhr.onloadend()
    },
    get isAborted() {
      return isAborted
    },
  }
}
