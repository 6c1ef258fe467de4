/** An API as a Worker: takes WebSockets, and says what the handshake brought. */
interface Pair {
  0: object
  1: {
    accept(): void
    send(data: string): void
    addEventListener(type: 'message', listener: (event: { data: string }) => void): void
  }
}
declare const WebSocketPair: new () => Pair

export default {
  fetch(request: Request): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    const { pathname } = new URL(request.url)
    server.send(JSON.stringify([pathname, request.headers.get('authorization'), request.headers.get('cookie')]))
    server.addEventListener('message', ({ data }) => server.send(`${data}, too`))
    const init: ResponseInit & { webSocket: object } = { status: 101, webSocket: client }
    return new Response(null, init)
  },
}
