/** What the roastery sells. */
import type { List, Product } from '../api/model.ts'
import { useLoad } from '../api/use-load.ts'
import { formatCents } from '../components/format.ts'
import { Loading } from '../components/loading.tsx'
import { Page } from '../components/page.tsx'

export function BeansPage() {
  const products = useLoad<List<Product>>('/api/products')
  return (
    <Page title="Beans" lead="The price list for cafés, without tax.">
      <Loading of={products}>
        {({ items }) => (
          <ul className="beans">
            {items.map((product) => (
              <li key={product.sku} className={`card bean-card ${product.roast}`}>
                <h2>{product.name}</h2>
                <p>{product.origin}</p>
                <dl>
                  <dt>Roast</dt>
                  <dd className="roast">{product.roast}</dd>
                  <dt>Bag</dt>
                  <dd>{product.grams} g</dd>
                  <dt>Price</dt>
                  <dd className="price">{formatCents(product.priceCents)}</dd>
                </dl>
              </li>
            ))}
          </ul>
        )}
      </Loading>
    </Page>
  )
}
