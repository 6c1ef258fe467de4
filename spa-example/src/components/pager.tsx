/** Links to the pages of a list. */
import { Link } from '../router.tsx'

export function Pager({ page, pages, href }: { page: number; pages: number; href: (page: number) => string }) {
  if (pages <= 1) return null
  return (
    <nav className="pager" aria-label="Pages">
      {page > 1 ? (
        <Link href={href(page - 1)} onClick={focusHeading}>
          Previous
        </Link>
      ) : (
        <span className="off">Previous</span>
      )}
      <span>
        Page {page} of {pages}
      </span>
      {page < pages ? (
        <Link href={href(page + 1)} onClick={focusHeading}>
          Next
        </Link>
      ) : (
        <span className="off">Next</span>
      )}
    </nav>
  )
}

/** The list starts anew at the top; and the link that was followed may be gone from the last page. */
function focusHeading() {
  document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
}
