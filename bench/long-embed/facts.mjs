// What LongEmbed's synthetic tasks are made of here: names and facts of our own.

const list = (text) => text.replaceAll(/\s+/g, ' ').trim().split('; ')
const pairs = (text) => list(text).map((pair) => pair.split(/\s*=\s*/))

export const GIVEN_NAMES = list(`Ada; Adil; Agnes; Alma; Amir; Anouk; Aron; Asta; Bela; Bruno; Carla; Cyril; Daria;
  Edda; Elias; Emil; Esra; Fabio; Farah; Finn; Greta; Hana; Hugo; Ida; Igor; Ines; Ivo; Jana; Jonas; Karim; Lena; Lucio; Mara; Milo;
  Nadia; Nils; Olga; Pavel; Rosa; Timo`)

export const FAMILY_NAMES = list(`Abbott; Albers; Arnaud; Baker; Bellini; Berg; Blake; Brandt; Carver; Castro; Chandra;
  Cole; Dahl; Dubois; Eriksen; Fabre; Fischer; Fontana; Garner; Haddad; Hale; Ito; Jansen; Keller; Kovacs; Lange; Lindqvist; Marin; Meyer;
  Moreau; Novak; Okafor; Petrov; Quinn; Rossi; Sato; Silva; Tanaka; Vogel; Weber`)

const CAPITALS = `Norway=Oslo; Kenya=Nairobi; Peru=Lima; Mongolia=Ulaanbaatar; Portugal=Lisbon; Jordan=Amman;
  Finland=Helsinki; Cuba=Havana; Nepal=Kathmandu; Ghana=Accra; Chile=Santiago; Iceland=Reykjavik; Vietnam=Hanoi;
  Hungary=Budapest; Morocco=Rabat; Canada=Ottawa; Fiji=Suva; Senegal=Dakar; Latvia=Riga; Uruguay=Montevideo`
const BOOKS = `Moby-Dick=Herman Melville; Middlemarch=George Eliot; Don Quixote=Miguel de Cervantes; Faust=Johann Wolfgang von
  Goethe; War and Peace=Leo Tolstoy; Frankenstein=Mary Shelley; Dracula=Bram Stoker; Emma=Jane Austen; Candide=Voltaire; Jane
  Eyre=Charlotte Brontë; Treasure Island=Robert Louis Stevenson; Les Misérables=Victor Hugo; Leaves of Grass=Walt Whitman;
  Walden=Henry David Thoreau; Crime and Punishment=Fyodor Dostoevsky; Utopia=Thomas More; Wuthering Heights=Emily Brontë;
  Gulliver's Travels=Jonathan Swift; Robinson Crusoe=Daniel Defoe; Ulysses=James Joyce`
const DISCOVERIES = `penicillin=Alexander Fleming; radium=Marie and Pierre Curie; the law of gravity=Isaac Newton;
  X-rays=Wilhelm Röntgen; oxygen=Carl Wilhelm Scheele and Joseph Priestley; the electron=J. J. Thomson; the neutron=James
  Chadwick; Uranus=William Herschel; the circulation of the blood=William Harvey; the moons of Jupiter=Galileo Galilei; the
  structure of benzene=August Kekulé; the laws of inheritance=Gregor Mendel; Pluto=Clyde Tombaugh; pulsars=Jocelyn Bell
  Burnell; the tubercle bacillus=Robert Koch`
const INVENTIONS = `the telephone=Alexander Graham Bell; dynamite=Alfred Nobel; the mercury barometer=Evangelista Torricelli;
  the lightning rod=Benjamin Franklin; the diesel engine=Rudolf Diesel; the World Wide Web=Tim Berners-Lee; the
  stethoscope=René Laennec; the phonograph=Thomas Edison; the cotton gin=Eli Whitney; the pendulum clock=Christiaan Huygens;
  the Braille alphabet=Louis Braille; the saxophone=Adolphe Sax; the hot-air balloon=the Montgolfier brothers; vulcanised
  rubber=Charles Goodyear; the periodic table=Dmitri Mendeleev`
const PAINTINGS = `the Mona Lisa=Leonardo da Vinci; The Starry Night=Vincent van Gogh; Guernica=Pablo Picasso; The Night
  Watch=Rembrandt; The Scream=Edvard Munch; Girl with a Pearl Earring=Johannes Vermeer; The Birth of Venus=Sandro Botticelli;
  Las Meninas=Diego Velázquez; The Kiss=Gustav Klimt; The Garden of Earthly Delights=Hieronymus Bosch; Nighthawks=Edward
  Hopper; American Gothic=Grant Wood; Impression, Sunrise=Claude Monet; The School of Athens=Raphael; Liberty Leading the
  People=Eugène Delacroix`
const SYMBOLS = `gold=Au; silver=Ag; iron=Fe; lead=Pb; tin=Sn; sodium=Na; potassium=K; mercury=Hg; tungsten=W; antimony=Sb;
  copper=Cu; helium=He; zinc=Zn; nickel=Ni; calcium=Ca`

const capital = (text) => text[0].toUpperCase() + text.slice(1)

/** A hundred facts about different things, in the manner of LongEmbed's. */
export const NEEDLES = [
  ...pairs(CAPITALS).map(([of, is]) => ({
    question: `What is the capital of ${of}?`,
    fact: `The capital of ${of} is ${is}.`,
  })),
  ...pairs(BOOKS).map(([of, is]) => ({ question: `Who wrote ${of}?`, fact: `${of} was written by ${is}.` })),
  ...pairs(DISCOVERIES).map(([of, is]) => ({
    question: `Who discovered ${of}?`,
    fact: `It was ${is} who discovered ${of}.`,
  })),
  ...pairs(INVENTIONS).map(([of, is]) => ({
    question: `Who invented ${of}?`,
    fact: `It was ${is} who invented ${of}.`,
  })),
  ...pairs(PAINTINGS).map(([of, is]) => ({
    question: `Who painted ${of}?`,
    fact: `${capital(of)} was painted by ${is}.`,
  })),
  ...pairs(SYMBOLS).map(([of, is]) => ({
    question: `What is the chemical symbol of ${of}?`,
    fact: `The chemical symbol of ${of} is ${is}.`,
  })),
]
