import { Page } from '../components/page.tsx'
import { Link } from '../router.tsx'

export function NotFoundPage() {
  return (
    <Page title="Page not found" lead="There is no such page. It may have moved, or the address has a slip in it.">
      <p>
        <Link href="/">To the start</Link>
      </p>
    </Page>
  )
}
