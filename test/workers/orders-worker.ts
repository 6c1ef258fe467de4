/** An API that is a Worker itself, behind a service binding: echoes the request. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { method, url, headers } = request
    if (url.endsWith('/moved')) return new Response(null, { status: 302, headers: { Location: '/elsewhere' } })
    return Response.json({ method, url, headers: Object.fromEntries(headers), body: await request.text() })
  },
}
