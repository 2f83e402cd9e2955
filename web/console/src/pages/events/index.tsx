import { Tabs } from '@mantine/core'
import { useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import classes from './events.module.css'
import { Groups } from './Groups.tsx'
import { Letters } from './Letters.tsx'
import { Log } from './Log.tsx'
import { words } from './words.ts'

const tabs = ['log', 'groups', 'letters'] as const

/** Events shows what is published, who reads it, and what could not be handled. */
export default function Events() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const tab = tabs.find((each) => each === query.get('tab')) ?? 'log'
  return (
    <Page title={t('title')} text={t('intro')}>
      <Tabs value={tab} keepMounted={false} onChange={(next) => setQuery(next ? { tab: next } : {})}>
        <Tabs.List aria-label={t('sections')}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(each)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <div className={`card ${classes['panel']}`}>
          <Tabs.Panel value="log">
            <Log />
          </Tabs.Panel>
          <Tabs.Panel value="groups">
            <Groups />
          </Tabs.Panel>
          <Tabs.Panel value="letters">
            <Letters />
          </Tabs.Panel>
        </div>
      </Tabs>
    </Page>
  )
}
